"""Models in files: what they are made of as JSON, their weights as arrays; only layers and options that we know are made of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ...messages.warn import warn
from ...shapes import Ints, as_int, as_shape
from ..inputs import LOSSES
from ..layers import LAYERS, Layer
from ..layers.base import check_result
from ..network import Network
from .container import Contents, write_file
from .texts import as_tuples, from_json, plain, to_json

N = TypeVar("N", bound=Network)
FORMAT = "fastconv model 1"
KEYS = ["layers", "input_shape", "dtype", "seed", "loss"]
OPTIONAL = ["epochs", "classes", "input_range"]
"""Attributes of a model that its structure tells where they aren't None, and that are as in a new model in files without them."""
MOST_LAYERS = 10_000
TRAINING = "training."
"""What begins the names of a checkpoint's arrays that are no weights; `load` passes over them."""
IMPOSSIBLE = (ValueError, TypeError, ArithmeticError, RecursionError, AttributeError, LookupError)
"""What layers raise for options that are none."""


def structure_of(operation: str, model: Network) -> dict[str, Any]:
    """Return what the model is made of, as `KEYS` and `OPTIONAL` name it; TypeError for a layer that isn't one of ours."""
    layers = []
    for number, layer in enumerate(model.layers):
        if LAYERS.get(layer.name) is not type(layer):
            raise TypeError(f"{operation}: files hold the layers {[*LAYERS]}, but layer {number} is a {layer.name}")
        try:
            frozen = {} if layer.trainable else {"trainable": False}
            layers.append({"layer": layer.name, "options": plain(layer.options()), **frozen})
        except TypeError as error:
            raise TypeError(f"{operation}: layer {number}: {error}") from None
    values = layers, list(model.shapes[0]), model.dtype.name, model.seed, model.loss
    known = {name: plain(getattr(model, name)) for name in OPTIONAL}
    return dict(zip(KEYS, values, strict=True)) | {name: value for name, value in known.items() if value is not None}


def lasting(structure: dict[str, Any]) -> dict[str, Any]:
    """Return what training doesn't change of what a file tells of a model; a LookupError if the file doesn't tell it."""
    layers = [{name: layer[name] for name in ("layer", "options")} for layer in structure["layers"]]
    return {name: structure[name] for name in KEYS if name != "loss"} | {"layers": layers}


def check_structure(operation: str, model: Network) -> None:
    """Refuse a model that no file could hold, or that couldn't be read from it: before there are weights to lose."""
    structure = structure_of(operation, model)
    try:
        copies = layers_of(from_json(to_json(operation, structure))["layers"])
        pairs = [(layer.options(), copy.options()) for layer, copy in zip(model.layers, copies, strict=True)]
        if any(plain(kept) != plain(copied) for kept, copied in pairs):
            raise ValueError(f"its layers would be read as {copies}")
    except IMPOSSIBLE as error:
        raise ValueError(f"{operation}: the model can't be kept in a file: {error}") from None


def check_saved(model: Network, contents: Contents) -> None:
    """Refuse contents that aren't the whole model when they are read: before they take an older file's place."""
    try:
        copy = model_of(contents, Network)
    except IMPOSSIBLE as error:
        raise ValueError(f"save: load would refuse the file: {error}") from None
    found, wanted = structure_of("save", copy), structure_of("save", model)
    others = [name for name in wanted.keys() | found.keys() if found.get(name) != wanted.get(name)]
    if others or copy.weights_hash() != model.weights_hash():
        raise ValueError(f"save: load would make another model of the file, which differs in {sorted(others) or 'its weights'}")


def save(model: Network, path: str | os.PathLike[str], besides: Mapping[str, str] | None = None) -> None:
    """Write a model to a file, and texts that `load` passes over; see `Sequential.save`."""
    texts = {"format": FORMAT, "structure": to_json("save", structure_of("save", model)), **(besides or {})}
    write_file("save", path, texts, model.get_weights(), partial(check_saved, model))


def copied(model: Network) -> Network:
    """Return another model with all that a file would keep of this one."""
    contents = Contents({"format": FORMAT, "structure": to_json("save", structure_of("save", model))}, model.get_weights())
    return model_of(contents, Network)


def model_of(contents: Contents, kind: type[N]) -> N:
    """Return the model of a kind in a file's contents; what is raised if there is none lacks the file's name."""
    if contents.texts.get("format") != FORMAT:
        raise ValueError(f"its format must be {FORMAT!r}, but is {contents.texts.get('format', 'none')[:80]!r}")
    structure = from_json(contents.texts.get("structure", ""))
    if not isinstance(structure, dict) or not set(KEYS) <= set(structure) <= {*KEYS, *OPTIONAL}:
        raise ValueError(f"its structure must have {KEYS}, but is {str(structure)[:200]}")
    if structure["dtype"] not in ("float32", "float64") or structure["loss"] not in LOSSES:
        raise ValueError(f"its dtype or loss is none of ours: {str(structure['dtype'])[:80]}, {str(structure['loss'])[:80]}")
    shape = structure["input_shape"]
    input_shape = as_shape("input", "input_shape", shape, len(shape))
    layers = layers_of(structure["layers"])
    weights = {name: array for name, array in contents.arrays.items() if not name.startswith(TRAINING)}
    check_weights(layers, input_shape, np.dtype(structure["dtype"]), weights)  # before any memory is taken for them
    model = kind(layers, input_shape, structure["dtype"], as_int("structure", "seed", structure["seed"], 0, 2**63 - 1))
    model.set_weights(weights)
    model.loss = structure["loss"]
    for name in OPTIONAL:
        if name in structure:
            setattr(model, name, structure[name])
    return model


def layers_of(described: Any) -> list[Layer]:
    """Return the layers that JSON describes."""
    if not isinstance(described, list) or len(described) > MOST_LAYERS:
        raise ValueError(f"its layers must be a list of at most {MOST_LAYERS}")
    layers = []
    for number, item in enumerate(described):
        if not isinstance(item, dict) or set(item) - {"trainable"} != {"layer", "options"} or not isinstance(item["options"], dict):
            raise ValueError(f"layer {number} must have a name and options, but is {str(item)[:200]}")
        name = item["layer"]
        if not isinstance(name, str) or name not in LAYERS:
            raise ValueError(f"layer {number} must be one of {[*LAYERS]}, but is {str(name)[:80]!r}")
        try:
            layers.append(LAYERS[name](**{key: as_tuples(value) for key, value in item["options"].items()}))
            layers[-1].trainable = item.get("trainable", True)
        except Exception as error:  # whatever a constructor raises for what it was never meant to be given
            raise ValueError(f"layer {number}: {error}") from None
    return layers


def check_weights(layers: list[Layer], shape: Ints, dtype: np.dtype, weights: dict[str, np.ndarray]) -> None:
    """Refuse weights that aren't just what such layers have."""
    expected: dict[str, Ints] = {}
    if not 1 <= len(shape) <= 3 or min(shape) < 1:
        raise ValueError(f"its input_shape must have one to three sizes of at least 1, but is {shape}")
    shape = (*shape, 1) if len(shape) == 2 else shape
    given = prod(shape)
    for number, layer in enumerate(layers):
        following, made = layer.output_shape(shape), layer.weights(shape)
        given += sum(weight.size for weight in made)
        check_result(following, given)
        expected |= {f"{number}.{weight.name}": weight.shape for weight in made}
        shape = following
    if set(expected) != set(weights):
        lacking, besides = sorted(set(expected) - set(weights))[:9], sorted(set(weights) - set(expected))[:9]
        raise ValueError(f"its arrays must be those of its layers, but {lacking} are missing and {besides} too many")
    for name, array in weights.items():
        if array.shape != expected[name] or array.dtype != dtype:
            raise ValueError(f"{name} must be {dtype} of {expected[name]}, but is {array.dtype} of {array.shape}")


def warn_of_not_finite(operation: str, path: Path, weights: Mapping[str, np.ndarray]) -> None:
    """Warn of a file's weights that are NaN or infinite, by name."""
    bad = [(name, int(array.size - np.isfinite(array).sum()), array.size) for name, array in weights.items()]
    found = [f"{count} of {size} in {name}" for name, count, size in bad if count]
    if found:
        more = f" and {len(found) - 5} arrays more" if len(found) > 5 else ""
        warn(f"{operation}: {path} has weights that are NaN or infinite: {', '.join(found[:5])}{more}", RuntimeWarning)
