"""Several layers in one pass, and convolutions of one image in one call."""
