"""The examples in the docstrings give what they say, and everything public has a docstring."""

import doctest
import importlib
import inspect
import pkgutil

import numpy as np
import pytest

import fastconv
from fastconv import dropin as layers
from fastconv import functional, signal

MODULES = ["fastconv", *(module.name for module in pkgutil.walk_packages(fastconv.__path__, "fastconv."))]


def examples_of(name):
    return doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name), name)


@pytest.fixture(autouse=True)
def as_before():
    """Examples may set the number of threads, and draw from NumPy's global generator."""
    threads, state = fastconv.get_num_threads(), np.random.get_state()
    yield
    fastconv.set_num_threads(threads)
    np.random.set_state(state)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    report = []
    for test in examples_of(name):
        count = len(test.examples)
        result = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
        assert result.failed == 0, "".join(report)
        assert result.attempted == count


def test_there_are_many_examples_and_the_runner_sees_failures():
    assert sum(len(test.examples) for name in MODULES for test in examples_of(name)) > 50
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, None)
    assert doctest.DocTestRunner(verbose=False).run(wrong, out=lambda text: None).failed == 1


def public():
    """Yield (name, object) for all public functions and classes, and the classes' own public methods."""
    for module in (fastconv, functional, layers, signal):
        for name in module.__all__:
            item = getattr(module, name)
            if callable(item):
                yield f"{module.__name__}.{name}", item
            if inspect.isclass(item):
                for method, function in vars(item).items():
                    if not method.startswith("_") and callable(function):
                        yield f"{module.__name__}.{name}.{method}", function


PUBLIC = dict(public())


@pytest.mark.parametrize("name", PUBLIC)
def test_everything_public_has_a_docstring(name):
    text = inspect.getdoc(PUBLIC[name])
    assert text
    assert text.splitlines()[0].endswith((".", ":"))


@pytest.mark.parametrize("name", [name for name in functional.__all__ if not inspect.isclass(getattr(functional, name))])
def test_functional_docstrings_are_complete(name):
    """An example, what is refused, and the same call elsewhere; min_pool's say that they are max_pool's."""
    text = inspect.getdoc(getattr(functional, name))
    assert "Examples\n--------" in text and f">>> from fastconv.functional import {name}" in text
    assert "Notes\n-----" in text and "torch.nn" in text or "torch.autograd" in text
    assert "Raises\n------" in text or "errors are `max_pool" in text
    assert "Returns\n-------" in text or "errors are `max_pool" in text
    assert not set("{}") & set(text.replace("{keyword}", ""))


def test_the_list_of_public_things_is_the_whole():
    assert len(PUBLIC) > 50
    assert {"fastconv.conv_1d", "fastconv.functional.conv2d", "fastconv.dropin.ConvolutionLayer.forward_prop"} <= set(PUBLIC)
