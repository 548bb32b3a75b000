"""Cross-entropy and its gradient, against finite differences."""

import numpy as np
import pytest

from fastconv import functional as fn


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: fn.cross_entropy([[1.0, 2.0]], [2]), "labels must be from 0 to 1"),
        (lambda: fn.cross_entropy([[1.0, 2.0]], [-1]), "labels must be from 0 to 1"),
        (lambda: fn.cross_entropy([[1.0, 2.0]], [0, 1]), r"labels must have shape \(1,\)"),
        (lambda: fn.cross_entropy(np.zeros((0, 2)), np.zeros(0, int)), "at least one row and class"),
        (lambda: fn.cross_entropy([1.0, 2.0], [0]), "logits must have 2 axes"),
    ],
)
def test_bad_calls_are_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_labels_must_be_integers():
    with pytest.raises(TypeError, match="labels must be integers, but have dtype float64"):
        fn.cross_entropy_grad([[1.0, 2.0]], [0.0])


def test_gradients_by_finite_differences():
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((4, 6)), np.array([0, 5, 2, 2])
    cases = [
        (lambda x: fn.cross_entropy(x, labels), fn.cross_entropy_grad(x, labels)),
    ]
    for f, gradient in cases:
        for index in np.ndindex(x.shape):
            step = np.zeros_like(x)
            step[index] = 1e-6
            assert gradient[index] == pytest.approx((f(x + step) - f(x - step)) / 2e-6, rel=1e-6, abs=1e-9)


def test_cross_entropy_is_finite():
    assert fn.cross_entropy([[0.0, 5000.0]], [0]) == 5000
    assert fn.cross_entropy([[0.0, 5000.0]], [1]) == 0
