"""The compiled loops: plain integers and flat contiguous arrays in, no checks, no threads."""
