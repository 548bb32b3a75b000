"""Every example in a docstring runs, and every public name has a docstring."""

import doctest
import importlib
import pkgutil

import pytest

import fastconv
from fastconv import functional, layers

NAMES = sorted(
    module.name for module in pkgutil.walk_packages(fastconv.__path__, "fastconv.") if module.name != "fastconv.__main__"
)
attempted = []


@pytest.mark.parametrize("name", NAMES)
def test_examples(name):
    result = doctest.testmod(importlib.import_module(name))
    attempted.append(result.attempted)
    assert result.failed == 0


def test_there_are_examples():
    assert len(attempted) == len(NAMES) and sum(attempted) > 80


@pytest.mark.parametrize("module", [fastconv, functional, layers], ids=lambda module: module.__name__)
def test_public_names_are_documented(module):
    for name in module.__all__:
        value = getattr(module, name)
        assert callable(value) is False or (value.__doc__ and len(value.__doc__) > 40), name
