"""SciPy's own tests of the four functions, unmodified, run against fastconv.signal; and both compared on a grid of problems."""

import itertools

import numpy as np
import pytest

from fastconv import signal as ours

pytest.importorskip("scipy", reason="SciPy's tests come with SciPy")
scipy_tests = pytest.importorskip("scipy.signal.tests.test_signaltools", reason="this SciPy was installed without its tests")

from scipy import signal as theirs  # noqa: E402  # after importorskip
from scipy.signal.tests.test_signaltools import (  # noqa: E402  # after importorskip; for pytest to collect them
    TestConvolve,  # noqa: F401
    TestConvolve2d,
    TestCorrelate,  # noqa: F401
    TestCorrelate2d,  # noqa: F401
    TestCorrelateComplex,  # noqa: F401
    TestCorrelateReal,  # noqa: F401
    test_convolve_longdtype_input,  # noqa: F401
)

NAMES = ("convolve", "correlate", "convolve2d", "correlate2d", "choose_conv_method")

LEFT_OUT = {
    TestConvolve2d.test_large_array: "needs more than 4 GB of memory, for a mistake in SciPy's C code",
}
for function, reason in LEFT_OUT.items():
    pytest.mark.skip(reason=reason)(function)

CALLED = []


def recorded(name):
    """Return our function, which notes its name when called."""

    def call(*arguments, **options):
        CALLED.append(name)
        return getattr(ours, name)(*arguments, **options)

    return call


RECORDED = {name: recorded(name) for name in NAMES}
for mark in TestConvolve2d.test_same_with_boundary.pytestmark:
    if mark.args and mark.args[0] == "func":  # this test gets the functions from its own list
        mark.args[1][:] = [RECORDED[function.__name__] for function in mark.args[1]]


@pytest.fixture
def xp():
    """The array library that SciPy's tests ask for."""
    return np


@pytest.fixture(autouse=True)
def ours_instead_of_theirs(request, monkeypatch):
    """Let SciPy's tests call our functions, and see that they do."""
    if "xp" not in request.fixturenames:
        yield
        return
    for name, call in RECORDED.items():
        monkeypatch.setattr(scipy_tests, name, call)
        monkeypatch.setattr(theirs, name, call)
    np.random.seed(0)
    CALLED.clear()
    yield
    assert CALLED


# Beside SciPy's functions

SHAPES = {
    1: [(1,), (2,), (5,), (37,)],
    2: [(1, 1), (3, 4), (6, 5), (1, 9), (4, 40)],
    3: [(2, 3, 4), (1, 1, 1), (5, 4, 19)],
    4: [(2, 1, 3, 2), (3, 2, 4, 5)],
}
TYPES = ["int8", "uint8", "int32", "int64", "uint64", "float32", "float64", "complex64", "complex128", "longdouble"]
BOUNDARIES = [("fill", 0), ("fill", 3), ("wrap", 0), ("symm", 0)]


def numbers(shape, dtype, seed):
    rng, kind = np.random.default_rng(seed), np.dtype(dtype).kind
    low = 0 if kind == "u" else -4
    return (rng.integers(low, 5, shape) + (1j * rng.integers(low, 5, shape) if kind == "c" else 0)).astype(dtype)


def outcome(module, name, *arguments):
    try:
        return getattr(module, name)(*arguments)
    except ValueError as error:
        return error


def same(name, x, w, *options):
    """Compare our result with SciPy's, exactly for sums, which are of integers; a ValueError with a ValueError."""
    mine, expected = outcome(ours, name, x, w, *options), outcome(theirs, name, x, w, *options)
    assert type(mine) is type(expected), (name, x.shape, w.shape, options, expected)
    if not isinstance(mine, ValueError):
        assert (mine.shape, mine.dtype) == (expected.shape, expected.dtype)
        tolerance = 1e-4 if options[1] == "fft" else 0
        np.testing.assert_allclose(mine, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dims", SHAPES)
@pytest.mark.parametrize("name", ["convolve", "correlate"])
def test_sums_and_transforms_as_scipy(name, dims):
    for (a, b), dtype in itertools.product(itertools.product(SHAPES[dims], repeat=2), TYPES):
        for mode, method in itertools.product(("full", "same", "valid"), ("direct", "fft")):
            same(name, numbers(a, dtype, 1), numbers(b, dtype, 2), mode, method)


@pytest.mark.parametrize("boundary, fillvalue", BOUNDARIES)
@pytest.mark.parametrize("name", ["convolve2d", "correlate2d"])
def test_images_as_scipy(name, boundary, fillvalue):
    for (a, b), dtype in itertools.product(itertools.product(SHAPES[2], repeat=2), TYPES):
        for mode in ("full", "same", "valid"):
            same(name, numbers(a, dtype, 1), numbers(b, dtype, 2), mode, boundary, fillvalue)


@pytest.mark.parametrize("name", ["convolve", "correlate"])
def test_types_as_scipy(name):
    for x_type, w_type in itertools.product(TYPES, TYPES):
        same(name, numbers((9,), x_type, 1), numbers((4,), w_type, 2), "same", "direct")
        same(name + "2d", numbers((3, 4), x_type, 1), numbers((2, 3), w_type, 2), "same", "wrap")
