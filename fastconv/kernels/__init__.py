"""The compiled loops, which take flat contiguous arrays and integers and check nothing; their plans; the table that chooses."""
