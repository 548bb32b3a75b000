"""Options: what a constructor is given, checked, and what may be changed of it afterwards."""

from __future__ import annotations

import inspect
from abc import ABCMeta
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np


def as_number(name: str, option: str, value: object, least: float, below: float = float("inf")) -> float:
    """Return an option of the layer, optimizer, ... `name`: a real number from `least` to less than `below`."""
    try:
        number = float("none") if isinstance(value, (str, bytes)) else float(value)  # type: ignore[arg-type]  # the check
    except (TypeError, ValueError):
        raise TypeError(f"{name}: {option} must be a number, but is {value!r}") from None
    if not least <= number < below:
        raise ValueError(f"{name}: {option} must be at least {least} and less than {below}, but is {value!r}")
    return number


def as_bool(name: str, option: str, value: object) -> bool:
    """Return an option that is True or False; anything else, such as the text "no", is refused."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: {option} must be True or False, but is {value!r}")
    return bool(value)


def as_plain(value: Any) -> Any:
    """Return an option such as a kernel's size in Python's own integers and tuples, which nobody changes and files can hold."""
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    return tuple(map(as_plain, value)) if isinstance(value, (tuple, list)) else value


class _Constructed(ABCMeta):
    """Notes on each object that its constructor is done."""

    if not TYPE_CHECKING:  # type checkers go by the constructor's signature, as they should

        def __call__(cls, *arguments, **options):
            made = super().__call__(*arguments, **options)
            made.__dict__["_constructed"] = True
            return made


class Fixed(metaclass=_Constructed):
    """An object whose options, the constructor's arguments, stay as they are, and which refuses attributes that it doesn't have.

    The constructor, a subclass's too, may set any attribute. Afterwards those that it has set and that are no options can be
    changed, properties as they allow it, and what begins with an underscore.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if "_constructed" in self.__dict__ and not name.startswith("_"):
            self._check_assigned(name)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if "_constructed" in self.__dict__ and not name.startswith("_"):
            raise AttributeError(f"{type(self).__name__}: {name} can't be deleted")
        super().__delattr__(name)

    def _check_assigned(self, name: str) -> None:
        kind, found = type(self).__name__, inspect.getattr_static(type(self), name, None)
        if hasattr(type(found), "__set__"):
            return  # a property, which checks what it is given
        if name in option_names(type(self)):
            raise AttributeError(f"{kind}: {name} can't be changed once the {kind} is made; make a new {kind}")
        if callable(found):
            raise AttributeError(f"{kind}: {name} is a method, which can't be replaced")
        if name not in self.__dict__ and found is None:
            raise AttributeError(f"{kind} has no attribute {name!r}; it has {_attributes(self)}")


def methods_beside(base: type, thing: Any, names: Iterable[str]) -> list[str]:
    """Return which methods of these names a thing has that `base`, whose subclass its class is, has not."""
    bodies = [vars(thing), *(vars(kind) for kind in type(thing).__mro__ if kind not in base.__mro__)]
    return [name for name in names if any(name in body for body in bodies) and callable(getattr(thing, name))]


def _attributes(thing: Fixed) -> list[str]:
    """Return the names of the options and what else there is to read or set."""
    kind = type(thing)
    properties = [name for name in dir(kind) if isinstance(inspect.getattr_static(kind, name), property)]
    names = dict.fromkeys([*option_names(kind), *vars(thing), *properties])
    return [name for name in names if not name.startswith("_") and hasattr(thing, name)]


@cache
def option_names(kind: type) -> tuple[str, ...]:
    """Return the names of a constructor's arguments, by its signature."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    _, *parameters = inspect.signature(kind.__init__).parameters.values()  # type: ignore[misc]  # of the class, not of an object
    return tuple(parameter.name for parameter in parameters if parameter.kind not in kinds)


class Told:
    """What is told by the constructor's arguments, each of which is kept as an attribute of its name."""

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments, as they can be written to a file."""
        return {name: getattr(self, name) for name in option_names(type(self)) if hasattr(self, name)}  # type: ignore[arg-type]  # a class has a hash

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.options().items())})"


class Options(Told, Fixed):
    """What is told by its options, which stay as they are."""
