"""Datasets as NumPy arrays: MNIST comes with the package; Fashion-MNIST and CIFAR-10 are looked for, or downloaded once."""

from .cifar10 import load_cifar10
from .idx import read_idx
from .mnist import load_fashion_mnist, load_mnist
from .npz import load_npz
from .pictures import read_image

__all__ = ["load_cifar10", "load_fashion_mnist", "load_mnist", "load_npz", "read_idx", "read_image"]
