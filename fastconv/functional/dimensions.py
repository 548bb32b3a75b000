"""One definition for one, two and three spatial dimensions: `per_dimension` makes the three public functions of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from .layout import CHANNELS_FIRST, CHANNELS_LAST

P = ParamSpec("P")
R = TypeVar("R")
WORDS = {
    1: {"axes": "w", "kernel": "kw", "out": "ow", "ints": "int", "pairs": "((before, after),)"},
    2: {
        "axes": "h, w", "kernel": "kh, kw", "out": "oh, ow", "ints": "int or (int, int)",
        "pairs": "((top, bottom), (left, right))",
    },
    3: {
        "axes": "d, h, w", "kernel": "kd, kh, kw", "out": "od, oh, ow", "ints": "int or (int, int, int)",
        "pairs": "((before, after), (before, after), (before, after))",
    },
}  # fmt: skip


def per_dimension(
    name: str, **examples: tuple[str, str, str]
) -> Callable[[Callable[Concatenate[int, P], R]], tuple[Callable[P, R], Callable[P, R], Callable[P, R]]]:
    """Make the 1-D, 2-D and 3-D functions of one whose first argument is the number of spatial axes; they have its other arguments.

    Parameters
    ----------
    name : str
        The functions' name with {n} for the number of axes.
    examples : tuple of three str
        What stands in the docstring, for each number of axes, in the place of {keyword}, beside {n}, {layout}, {first} (the
        channels-first layout), {name} and the WORDS. `layout` defaults to the channels-last one.
    """

    def make(function: Callable[Concatenate[int, P], R]) -> tuple[Callable[P, R], Callable[P, R], Callable[P, R]]:
        one, two, three = (_bind(function, name.format(n=n), n, {k: v[n - 1] for k, v in examples.items()}) for n in (1, 2, 3))
        return one, two, three

    return make


def _bind(function: Callable, name: str, dims: int, examples: dict[str, str]) -> Callable:
    @wraps(function)
    def bound(*args: Any, **options: Any) -> Any:
        options.setdefault("layout", CHANNELS_LAST[dims])
        try:
            return function(dims, *args, **options)
        except TypeError:
            _check_arguments(name, public, args, options)
            raise

    signature = inspect.signature(function)
    first, *others = signature.parameters.values()
    defaults = [p.replace(default=CHANNELS_LAST[dims]) if p.name == "layout" else p for p in others]
    bound.__signature__ = public = signature.replace(parameters=defaults)  # type: ignore[attr-defined]  # what help() shows
    bound.__name__ = bound.__qualname__ = name
    del bound.__wrapped__
    words = {**WORDS[dims], "n": dims, "name": name, "layout": CHANNELS_LAST[dims], "first": CHANNELS_FIRST[dims], **examples}
    bound.__doc__ = _fill(inspect.cleandoc(function.__doc__ or ""), words)
    return bound


def _check_arguments(name: str, signature: inspect.Signature, args: tuple, options: dict[str, Any]) -> None:
    """Refuse arguments that the function doesn't have, or too few, by its public name."""
    try:
        signature.bind(*args, **options)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None


def _fill(text: str, words: dict[str, Any]) -> str:
    """Put words in the places of their {names}."""
    for key, word in words.items():
        text = text.replace("{" + key + "}", str(word))
    return text
