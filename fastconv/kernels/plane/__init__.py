"""Convolutions of images and volumes with a filter for each of one or few channels: vectors along the row."""
