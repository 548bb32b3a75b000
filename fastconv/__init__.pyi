"""What type checkers and editors see of fastconv; at run time each name is loaded when it is first used."""

from . import datasets as datasets
from . import dropin as dropin
from . import functional as functional
from . import nn as nn
from . import signal as signal
from . import testing as testing
from .commands.info import info as info
from .commands.warmup import warmup as warmup
from .dropin import Conv3x3 as Conv3x3
from .dropin import ConvolutionLayer as ConvolutionLayer
from .dropin import MaxPool2 as MaxPool2
from .dropin import MaxPoolingLayer as MaxPoolingLayer
from .dropin import Softmax as Softmax
from .dropin import SoftmaxLayer as SoftmaxLayer
from .dropin.functions import conv_1d as conv_1d
from .dropin.functions import conv_1d_batch as conv_1d_batch
from .dropin.functions import conv_2d as conv_2d
from .dropin.functions import conv_2d_batch as conv_2d_batch
from .dropin.functions import input_1d_grads as input_1d_grads
from .dropin.functions import input_1d_grads_batch as input_1d_grads_batch
from .dropin.functions import input_2d_grads as input_2d_grads
from .dropin.functions import input_2d_grads_batch as input_2d_grads_batch
from .dropin.functions import param_1d_grads as param_1d_grads
from .dropin.functions import param_1d_grads_batch as param_1d_grads_batch
from .dropin.functions import param_2d_grads as param_2d_grads
from .dropin.functions import param_2d_grads_batch as param_2d_grads_batch
from .dropin.functions import zero_pad_1d as zero_pad_1d
from .dropin.functions import zero_pad_2d as zero_pad_2d
from .dropin.training_step import CNN_backprop as CNN_backprop
from .dropin.training_step import CNN_forward as CNN_forward
from .dropin.training_step import CNN_training as CNN_training
from .runtime.threads import get_num_threads as get_num_threads
from .runtime.threads import set_num_threads as set_num_threads

__version__: str
