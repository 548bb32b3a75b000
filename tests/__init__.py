"""The tests, and programs that test more than there is time for at every change."""

import gc

gc.set_threshold(50_000, 20, 20)  # a seventh less time to compile: the compiler makes many objects, and few in circles
