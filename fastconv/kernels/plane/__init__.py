"""Convolutions of images of one channel with one filter: vectors along the row."""
