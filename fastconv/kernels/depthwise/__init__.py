"""Convolutions of small groups, down to a filter for each channel: several share a vector, and slide along lines of pixels."""
