"""Benchmarks: `python -m bench.run` for the kernels, `python -m bench.dropin` for the notebooks' layers, and more."""
