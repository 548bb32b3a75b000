"""SciPy's `scipy.signal` convolutions on NumPy arrays: the same signatures, modes, boundaries and results.

`convolve` and `correlate` take any number of dimensions and choose between direct sums and FFTs; `convolve2d` and `correlate2d` are
direct, with a choice of boundaries. Integers are exact. No input is modified; results are C-contiguous and new.
"""

from .convolution import choose_conv_method, convolve, correlate
from .images import convolve2d, correlate2d

__all__ = ["choose_conv_method", "convolve", "convolve2d", "correlate", "correlate2d"]
