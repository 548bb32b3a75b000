"""The notebooks' layers, with their names, attributes, return values and random draws, on fastconv's kernels.

`ConvolutionLayer`, `MaxPoolingLayer` and `SoftmaxLayer` are one family of from-scratch notebooks', `Conv3x3`, `MaxPool2` and
`Softmax` another's. Everything is float64 like the notebooks, unless a layer is made with dtype="float32" and its input is
float32. Attributes are live: read, change or replace them between calls. A call that is refused changes nothing.
"""

from .convolution import Conv3x3, ConvolutionLayer
from .pooling import MaxPool2, MaxPoolingLayer
from .softmax import Softmax, SoftmaxLayer

__all__ = ["Conv3x3", "ConvolutionLayer", "MaxPool2", "MaxPoolingLayer", "Softmax", "SoftmaxLayer"]
