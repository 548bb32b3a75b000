"""Runs against implementations that we did not write; each file is skipped where its package isn't installed."""
