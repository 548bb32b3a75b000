"""Sequential: a network with all that it can do, and reading one from a file."""

from __future__ import annotations

import os

from ..files.content import reading
from .files.container import checked_path, read_file
from .files.model_file import model_of, save, warn_of_not_finite
from .inference import evaluate, outputs, predict
from .network import Network
from .report import described, explain, summary
from .training.fit import fit
from .training.gradient import gradient


class Sequential(Network):
    """A network of layers, one after the other.

    Its seed is 0 unless another is given, so that the same code gives the same network: members of an ensemble need seeds of their
    own.

    Parameters
    ----------
    layers : sequence of Layer
        They have options and no weights, which are the model's: a layer that is in another model too has weights of its own there.
        In one model a layer with weights can't be twice.
    input_shape : (h, w, c), (h, w) or (units,)
        The shape of one image, or row; (h, w) is (h, w, 1).
    dtype : "float32" or "float64"
    seed : int
        Of the weights, the order of the images, dropout and augmentation.

    Attributes
    ----------
    layers : tuple of Layer
    shapes : list of tuple of int
        The input's, and each layer's result's.
    parameters : ndarray
        All trained weights in one flat vector; the layers' arrays are views of it, so what is assigned is copied into it.
    buffers : ndarray
        What layers keep besides, as batch normalisation its running means, likewise.
    loss : str
        What the model was trained with; at first "cross_entropy".
    classes : tuple of str, or None
        The classes' names in the order of the outputs, if it was trained with names for labels, or if they are assigned.
    input_range : InputRange, or None
        How large the numbers were that it was trained on: low, high, mean and magnitude (these two of what isn't zero), and whether
        they were uint8. What `fit`, `evaluate` and `predict` get is compared with it.
    epochs : int
        For how many whole epochs it has been trained in its life, and so the number of the next one, from which `fit` goes on. It
        is saved with the model, and can be set.
    optimizer : Optimizer or None
        The one of the running fit, or of the last. Its `lr` can be set, also between epochs.
    history : History
        Of the running fit, or of the last, also if that was interrupted; it isn't saved with the model.

    Raises
    ------
    ValueError, TypeError
        If a layer can't take what the layer before it gives, or isn't one that the engine can run: a subclass of `Layer` with a
        method such as forward or call, which would never be called.

    Examples
    --------
    >>> from fastconv import nn
    >>> model = nn.Sequential(
    ...     [nn.Conv2D(16, 3), nn.MaxPool2D(2), nn.Flatten(), nn.Dense(10)], input_shape=(28, 28, 1), dtype="float32", seed=0
    ... )
    >>> model.shapes[-1], model.parameters.size
    ((10,), 27210)
    """

    def __repr__(self) -> str:
        return described(self)

    fit = fit
    evaluate = evaluate
    predict = predict
    outputs = outputs
    gradient = gradient
    summary = summary
    explain = explain

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a file, for `nn.load`: its structure, weights, seed, loss and count of epochs.

        It is written as a whole or not at all: what was written is read back and compared before it takes the old file's place. To
        go on with a training to the same bits, with the optimizer's momentum and the like, see the `checkpoint` of `fit`.

        Parameters
        ----------
        path : path
            Ending in .npz, which NumPy reads, or in .safetensors, which needs the package of this name.

        Raises
        ------
        ValueError, TypeError
            If the name ends otherwise, or a layer is none of fastconv's own.
        """
        save(self, path)


def load(path: str | os.PathLike[str]) -> Sequential:
    """Return the model in a file that `Sequential.save` or a checkpoint wrote.

    Parameters
    ----------
    path : path
        Ending in .npz or .safetensors (which needs the package of this name).

    Returns
    -------
    Sequential
        With the weights, seed, loss, count of epochs, names of classes and range of inputs that it was saved with, and the same
        layers frozen. An optimizer's momentum and the like aren't in the file: the `checkpoint` of `fit` has them too.

    Raises
    ------
    ValueError
        If the file is broken or no such model. Nothing in it is run, and it takes no more memory than it has bytes.
    OSError
        If it can't be read.
    RuntimeWarning
        If weights in it are NaN or infinite, naming them.
    ImportError
        If safetensors is needed and not installed.

    Examples
    --------
    >>> import tempfile
    >>> from fastconv import nn
    >>> model = nn.Sequential([nn.Flatten(), nn.Dense(10)], input_shape=(28, 28))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(f"{folder}/digits.npz")
    ...     copy = nn.load(f"{folder}/digits.npz")
    >>> copy.shapes, copy.weights_hash() == model.weights_hash()
    ([(28, 28, 1), (784,), (10,)], True)
    """
    name = checked_path("load", path)
    contents = read_file("load", name)
    with reading("load", name, "model", verdict="holds no"):
        model = model_of(contents, Sequential)
    warn_of_not_finite("load", name, model.get_weights())
    return model
