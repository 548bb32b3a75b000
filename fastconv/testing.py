"""Checks for users: a gradient against finite differences, and a fast layer against the slow one that it replaces."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arrays import check_no_mask

EPSILON = 1e-6
"""The finite differences' step, relative to an element's size (at least 1)."""


def gradcheck(
    f: Callable[..., Any], grad: Callable[..., Any], inputs: Sequence[Any], *, rtol: float = 1e-3, atol: float = 1e-5, seed: int = 0
) -> bool:
    """Compare a gradient with central finite differences, in float64.

    Parameters
    ----------
    f : callable
        f(*inputs) returns an array (or number).
    grad : callable
        grad(dy, *inputs) returns the gradient of sum(dy * f(*inputs)) with respect to each input: one array for one input,
        else a sequence, with None for what it doesn't differentiate by.
    inputs : sequence of array_like
        Float inputs are differentiated by, in float64; others (labels, say) are passed as they are.
    rtol, atol : float
        As `numpy.allclose`; the differences themselves are good to some 1e-8, and not at kinks such as ties in a window.
    seed : int
        Of the random dy.

    Returns
    -------
    bool
        True; a difference raises.

    Raises
    ------
    AssertionError
        With the input, the element, both numbers, where they differ most.
    ValueError
        If grad gives another number of gradients, or one of another shape.
    TypeError
        If an input or a gradient is a masked array.

    Notes
    -----
    As ``torch.autograd.gradcheck``, for functions on NumPy arrays; it takes two calls of f for each element.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.functional import relu, relu_grad
    >>> from fastconv.testing import gradcheck
    >>> gradcheck(relu, relu_grad, [np.array([-1.0, 2.0])])
    True
    """
    values = [_float64(f"input {place}", value) for place, value in enumerate(inputs)]
    y = np.asarray(f(*values), np.float64)
    dy = np.random.default_rng(seed).standard_normal(y.shape)
    given = grad(dy, *values)
    gradients = list(given) if isinstance(given, (tuple, list)) else [given]
    if len(gradients) != len(values):
        raise ValueError(f"gradcheck: grad must give a gradient for each of {len(values)} inputs, but gives {len(gradients)}")
    for place, (value, gradient) in enumerate(zip(values, gradients, strict=True)):
        if gradient is None or not (isinstance(value, np.ndarray) and value.dtype == np.float64):
            continue
        check_no_mask("gradcheck", f"the gradient of input {place}", gradient)
        array = np.asarray(gradient, np.float64)
        if array.shape != value.shape:
            raise ValueError(f"gradcheck: the gradient of input {place} must have shape {value.shape}, but has {array.shape}")
        numeric = _differences(f, values, place, dy)
        _assert_close(f"gradcheck: input {place}", array, numeric, rtol, atol, "the gradient", "finite differences")
    return True


def _float64(name: str, value: Any) -> Any:
    check_no_mask("gradcheck", name, value)
    array = np.asarray(value)
    return array.astype(np.float64) if array.dtype.kind == "f" else value


def _differences(f: Callable[..., Any], values: list, place: int, dy: np.ndarray) -> np.ndarray:
    """Return (sum(dy * f) one step up - one step down) / two steps, for each element of one input."""
    numeric = np.empty(values[place].shape)
    for index in np.ndindex(numeric.shape):
        sides = []
        step = EPSILON * max(1.0, abs(values[place][index]))
        for move in (step, -step):
            moved = [value.copy() if isinstance(value, np.ndarray) else value for value in values]
            moved[place][index] += move
            sides.append(np.vdot(dy, f(*moved)))
        numeric[index] = (sides[0] - sides[1]) / (2 * step)
    return numeric


def _assert_close(what: str, a: np.ndarray, b: np.ndarray, rtol: float, atol: float, a_name: str, b_name: str) -> None:
    if a.shape != b.shape:
        raise AssertionError(f"{what}: {a_name} has shape {a.shape}, {b_name} has {b.shape}")
    close = np.isclose(a, b, rtol, atol, equal_nan=True)
    if not close.all():
        difference = np.where(close, -1, np.abs(np.nan_to_num(a) - np.nan_to_num(b)))
        worst = np.unravel_index(int(np.argmax(difference)), a.shape)
        raise AssertionError(
            f"{what}: {np.sum(~close)} of {a.size} differ, most at {tuple(map(int, worst))}: {a_name} {a[worst]!r}, "
            f"{b_name} {b[worst]!r}"
        )


METHODS = (("forward_prop", "back_prop"), ("forward", "backprop"))
"""What the notebooks' two families call their layers' directions."""


def verify(
    slow_layer: Any, fast_layer: Any, image: Any, *, rate: float = 0.01, rtol: float = 1e-9, atol: float = 1e-12, repeats: int = 3
) -> dict[str, float]:
    """Run a from-scratch layer and its replacement on one image; print where they part, and the speed-up.

    Both layers are copied, and the fast one's copy is given the slow one's arrays, by their names. Compared are the output, what
    the backward pass returns, and all arrays after the update.

    Parameters
    ----------
    slow_layer, fast_layer : layers
        With forward_prop and back_prop, or forward and backprop, as the notebooks' layers.
    image : array_like
        What the forward pass takes.
    rate : float
        The learning rate, for layers that take one.
    rtol, atol : float
        As `numpy.allclose`.
    repeats : int
        How often each direction is timed; the least time counts.

    Returns
    -------
    dict
        "forward" and "backward": how many times as fast the fast layer is.

    Raises
    ------
    AssertionError
        If something differs, with the place and both numbers.
    TypeError
        If a layer has no such methods, or the image is a masked array.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import MaxPool2, MaxPoolingLayer
    >>> from fastconv.testing import verify
    >>> ratios = verify(MaxPoolingLayer(2), MaxPool2(), np.arange(32.0).reshape(4, 4, 2))  # doctest: +ELLIPSIS
    verify: MaxPoolingLayer and MaxPool2 give the same output, ...
    """
    check_no_mask("verify", "the image", image)
    slow, fast = copy.deepcopy(slow_layer), copy.deepcopy(fast_layer)
    name = f"{type(slow_layer).__name__} and {type(fast_layer).__name__}"
    (slow_forward, slow_backward), (fast_forward, fast_backward) = _methods(slow), _methods(fast)
    shared = [key for key, value in vars(slow).items() if isinstance(value, np.ndarray) and hasattr(fast, key)]
    for key in shared:
        setattr(fast, key, getattr(slow, key).copy())
    slow_y, fast_y = np.asarray(slow_forward(image)), np.asarray(fast_forward(image))
    _assert_close(f"verify: the outputs of {name}", slow_y, fast_y, rtol, atol, "slow", "fast")
    dy = _some_gradient(slow_y)
    slow_back, fast_back = _backward(slow_backward, dy, rate), _backward(fast_backward, dy, rate)
    if (slow_back is None) != (fast_back is None):
        raise AssertionError(f"verify: of {name}, one's backward pass returns None and the other's doesn't")
    if slow_back is not None:
        _assert_close(
            f"verify: what {name} return from the backward pass",
            np.asarray(slow_back),
            np.asarray(fast_back),
            rtol,
            atol,
            "slow",
            "fast",
        )
    for key in shared:
        mine, theirs = np.asarray(getattr(slow, key)), np.asarray(getattr(fast, key))
        _assert_close(f"verify: {key} of {name} after the update", mine, theirs, rtol, atol, "slow", "fast")
    forward = _seconds(lambda: slow_forward(image), repeats) / _seconds(lambda: fast_forward(image), repeats)
    backward = _seconds(lambda: _backward(slow_backward, dy, 0.0), repeats) / _seconds(
        lambda: _backward(fast_backward, dy, 0.0), repeats
    )
    arrays = f" and {', '.join(shared)} after the update" if shared else ""
    print(
        f"verify: {name} give the same output, gradient{arrays}; the second is {forward:.1f} times as fast forward, "
        f"{backward:.1f} times backward"
    )
    return {"forward": forward, "backward": backward}


def _methods(layer: Any) -> tuple[Callable, Callable]:
    for forward, backward in METHODS:
        if hasattr(layer, forward) and hasattr(layer, backward):
            return getattr(layer, forward), getattr(layer, backward)
    raise TypeError(
        f"verify: a layer must have {' or '.join(' and '.join(pair) for pair in METHODS)}, but {type(layer).__name__} hasn't"
    )


def _some_gradient(y: np.ndarray) -> np.ndarray:
    """Return a random gradient; for probabilities that of a loss, one entry only, since the notebooks' layers take no others."""
    if y.ndim > 1:
        return np.random.default_rng(0).standard_normal(y.shape)
    dy = np.zeros(y.shape)
    dy[:1] = -1
    return dy


def _backward(method: Callable, dy: np.ndarray, rate: float) -> Any:
    """Call a backward pass, with the learning rate where it takes one."""
    count = method.__code__.co_argcount - 1 if hasattr(method, "__code__") else 1
    return method(dy, rate) if count > 1 else method(dy)


def _seconds(call: Callable, repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)
