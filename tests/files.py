"""Small dataset files in the forms that fastconv reads, and an object that no reader may unpickle."""

import gzip
import os

import numpy as np

IDX_CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}
MNIST_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def idx_header(code, *shape):
    return bytes([0, 0, code, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)


def idx_bytes(array):
    """Return an array as the bytes of an IDX file."""
    return idx_header(IDX_CODES[array.dtype.name], *array.shape) + array.astype(array.dtype.newbyteorder(">")).tobytes()


def tiny_pictures(width=6, train=40, test=12):
    """Return x_train, y_train, x_test, y_test: random grey pictures with random labels."""
    rng = np.random.default_rng(11)
    images = [rng.integers(0, 256, (n, width, width), np.uint8) for n in (train, test)]
    labels = [rng.integers(0, 10, n, np.uint8) for n in (train, test)]
    return images[0], labels[0], images[1], labels[1]


def write_mnist_folder(folder, arrays, pack=gzip.compress):
    """Write four arrays as MNIST's four files, compressed (pack=bytes: not), and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(MNIST_FILES, arrays):
        (folder / (name if pack is bytes else f"{name}.gz")).write_bytes(pack(idx_bytes(array)))
    return folder


class Malice:
    """When unpickled, makes a folder."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)
