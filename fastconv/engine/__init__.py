"""Whole epochs without Python between the updates."""
