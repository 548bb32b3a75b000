"""The networks of bench.epoch in PyTorch, JAX and Keras: made from ours layer by layer, with our weights, trained as a user would.

All get the images as uint8 and scale them batch by batch, as fastconv does, and the learning rate is constant.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from fastconv import nn
from fastconv.nn.training.optimizers import Optimizer

from .peers import LeftOutError


class Trainer(NamedTuple):
    """`train(count)` makes an update for each whole batch of the first so many images; `logits(images)` is for checking."""

    train: Callable[[int], object]
    logits: Callable[[np.ndarray], np.ndarray]


class Task(NamedTuple):
    """What all do: a network with its first weights, how it is updated, the batch size, the data and the number of threads."""

    model: nn.Sequential
    optimizer: Optimizer
    batch: int
    x: np.ndarray
    y: np.ndarray
    threads: int


def stages(model: nn.Sequential) -> Iterator[tuple[str, nn.Layer, tuple[int, ...], dict[str, np.ndarray]]]:
    """Yield (kind, layer, its input's shape, its weights) for each layer, and ("relu", ...) behind those that end in one."""
    weights = model.get_weights()
    for number, layer in enumerate(model.layers):
        mine = {name.partition(".")[2]: w for name, w in weights.items() if name.partition(".")[0] == str(number)}
        yield layer.name, layer, model.shapes[number], mine
        activation = getattr(layer, "activation", None)
        if activation not in (None, "relu"):
            raise LeftOutError(f"has no {activation} here")
        if activation:
            yield "relu", layer, model.shapes[number + 1], {}


def pads_of(layer: Any) -> int:
    """Return a convolution's padding as a number."""
    return 0 if layer.padding == "valid" else int(layer.padding)


def fastconv_trainer(task: Task) -> Trainer:
    """Return fastconv's fit, which plans anew each time."""
    options: dict[str, Any] = {"epochs": 1, "batch_size": task.batch, "optimizer": task.optimizer, "progress": False}

    def train(count: int) -> None:
        whole = count - count % task.batch
        task.model.fit(task.x[:whole], task.y[:whole], **options, threads=task.threads)

    return Trainer(train, lambda x: np.log(task.model.predict(x)))


# PyTorch


def torch_network(model: nn.Sequential) -> Any:
    """Return the network as a torch.nn.Sequential; a dense layer's weights are in the order in which PyTorch flattens."""
    import torch

    modules: list[Any] = []
    image: tuple[int, ...] = ()
    for kind, layer, shape, weights in stages(model):
        given: Any = layer
        arrays = {"weight": weights.get("kernel"), "bias": weights.get("bias")}
        if kind == "Conv2D":
            modules.append(torch.nn.Conv2d(shape[2], given.filters, given.kernel_size, padding=pads_of(given), bias=given.use_bias))
            arrays["weight"] = weights["kernel"].transpose(3, 2, 0, 1)
        elif kind == "Dense":
            modules.append(torch.nn.Linear(shape[0], given.units))
            rows = weights["kernel"].reshape(*(image or shape), given.units)
            arrays["weight"] = np.moveaxis(rows, (-1, -2), (0, 1)).reshape(given.units, -1)
        elif kind == "Flatten":
            modules.append(torch.nn.Flatten())
        else:
            simple = {"relu": torch.nn.ReLU, "MaxPool2D": torch.nn.MaxPool2d, "Dropout": torch.nn.Dropout}
            argument = {"MaxPool2D": "kernel_size", "Dropout": "rate"}.get(kind)
            modules.append(simple[kind](*([getattr(given, argument)] if argument else [])))
        image = shape if kind == "Flatten" else ()
        with torch.no_grad():
            for name, parameter in modules[-1].named_parameters():
                parameter.copy_(torch.from_numpy(np.ascontiguousarray(arrays[name])))
    return torch.nn.Sequential(*modules)


def torch_trainer(task: Task, channels_last: bool = False) -> Trainer:
    """Return the usual loop, without a DataLoader, which is slower."""
    import torch

    torch.set_num_threads(task.threads)
    network = torch_network(task.model)
    images, labels = torch.from_numpy(task.x)[:, None], torch.from_numpy(task.y.astype(np.int64))
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
    options = task.optimizer.options()
    if isinstance(task.optimizer, nn.Adam):
        optimizer: Any = torch.optim.Adam(network.parameters(), options["lr"], options["betas"], options["epsilon"])
    else:
        optimizer = torch.optim.SGD(network.parameters(), options["lr"], options["momentum"])

    def train(count: int) -> None:
        network.train()
        order = torch.randperm(count)
        for start in range(0, count - task.batch + 1, task.batch):
            chosen = order[start : start + task.batch]
            x = images[chosen].float().div_(255)
            if channels_last:
                x = x.contiguous(memory_format=torch.channels_last)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(x), labels[chosen]).backward()
            optimizer.step()

    def logits(x: np.ndarray) -> np.ndarray:
        network.eval()
        with torch.no_grad():
            return network(torch.from_numpy(x)[:, None].float() / 255).numpy()

    return Trainer(train, logits)


# JAX


def jax_apply(steps: list[tuple[str, Any]], parameters: list[dict[str, Any]], x: Any, key: Any) -> Any:
    """Return the network's results; with a key, for training."""
    import jax

    lax = jax.lax
    for number, ((kind, layer), weights) in enumerate(zip(steps, parameters, strict=True)):
        if kind == "Conv2D":
            pads = [(pads_of(layer),) * 2] * 2
            x = lax.conv_general_dilated(x, weights["kernel"], (1, 1), pads, dimension_numbers=("NHWC", "HWIO", "NHWC"))
        elif kind == "MaxPool2D":
            window = (1, layer.kernel_size, layer.kernel_size, 1)
            x = lax.reduce_window(x, -np.inf, lax.max, window, window, "VALID")
        elif kind == "Flatten":
            x = x.reshape(len(x), -1)
        elif kind == "Dense":
            x = x @ weights["kernel"]
        elif kind == "relu":
            x = jax.nn.relu(x)
        elif key is not None:
            kept = jax.random.bernoulli(jax.random.fold_in(key, number), 1 - layer.rate, x.shape)
            x = jax.numpy.where(kept, x / (1 - layer.rate), 0)
        x = x + weights["bias"] if "bias" in weights else x
    return x


def jax_update(optimizer: Optimizer) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
    """Return (parameters, state, gradients) -> (parameters, state), the state being a count and two means, for Adam."""
    import jax

    tree, options = jax.tree.map, optimizer.options()

    def adam(parameters, state, gradients):
        count, first, second = state
        a, b = options["betas"]
        count = count + 1
        first = tree(lambda m, g: a * m + (1 - a) * g, first, gradients)
        second = tree(lambda v, g: b * v + (1 - b) * g * g, second, gradients)

        def moved(p, m, v):
            return p - options["lr"] * (m / (1 - a**count)) / (jax.numpy.sqrt(v / (1 - b**count)) + options["epsilon"])

        return tree(moved, parameters, first, second), (count, first, second)

    def sgd(parameters, state, gradients):
        return tree(lambda p, g: p - options["lr"] * g, parameters, gradients), state

    return adam if isinstance(optimizer, nn.Adam) else sgd


def jax_trainer(task: Task) -> Trainer:
    """Return a compiled epoch for single images, where a call for each would cost more than its work; else a compiled update."""
    import jax

    steps, parameters = [], []
    for kind, layer, _, weights in stages(task.model):
        steps.append((kind, layer))
        parameters.append({name: jax.numpy.asarray(w) for name, w in weights.items()})
    zeros = [{name: jax.numpy.zeros_like(w) for name, w in weights.items()} for weights in parameters]
    update = jax_update(task.optimizer)
    images, labels = jax.device_put(task.x[..., None]), jax.device_put(task.y.astype(np.int32))

    def loss(parameters, x, y, key):
        found = jax.nn.log_softmax(jax_apply(steps, parameters, x.astype("float32") / 255, key))
        return -jax.numpy.take_along_axis(found, y[:, None], 1).mean()

    def step(state, chosen, images, labels):
        parameters, slots, key = state
        key, mine = jax.random.split(key)
        gradients = jax.grad(loss)(parameters, images[chosen], labels[chosen], mine)
        return (*update(parameters, slots, gradients), key)

    @partial(jax.jit, donate_argnums=0)
    def one(state, chosen, images, labels):
        return step(state, chosen, images, labels)

    @partial(jax.jit, donate_argnums=0)
    def all_of(state, order, images, labels):
        return jax.lax.scan(lambda state, chosen: (step(state, chosen, images, labels), None), state, order)[0]

    state: Any = (parameters, (jax.numpy.zeros(()), zeros, jax.tree.map(jax.numpy.copy, zeros)), jax.random.key(0))

    def train(count: int) -> None:
        nonlocal state
        order = np.random.default_rng(0).permutation(count)[: count - count % task.batch].reshape(-1, task.batch)
        if task.batch == 1:
            state = all_of(state, order, images, labels)
        else:
            for chosen in order:
                state = one(state, chosen, images, labels)
        jax.block_until_ready(state)

    def logits(x: np.ndarray) -> np.ndarray:
        return np.asarray(jax_apply(steps, state[0], x[..., None].astype(np.float32) / 255, None))

    return Trainer(train, logits)


# Keras


def keras_trainer(task: Task) -> Trainer:
    """Return a compiled Keras model's fit."""
    backends = [name for name in ("tensorflow", "jax", "torch") if find_spec(name) is not None]
    os.environ.setdefault("KERAS_BACKEND", backends[0] if backends else "numpy")
    import keras

    made: list[Any] = [keras.Input(task.model.shapes[0]), keras.layers.Rescaling(1 / 255)]
    for kind, layer, _, _ in stages(task.model):
        given: Any = layer
        if kind == "Conv2D":
            if pads_of(given):
                made.append(keras.layers.ZeroPadding2D(pads_of(given)))
            made.append(keras.layers.Conv2D(given.filters, given.kernel_size, use_bias=given.use_bias))
        elif kind == "Dense":
            made.append(keras.layers.Dense(given.units))
        elif kind == "MaxPool2D":
            made.append(keras.layers.MaxPooling2D(given.kernel_size))
        else:
            simple = {"relu": keras.layers.ReLU, "Flatten": keras.layers.Flatten}
            made.append(keras.layers.Dropout(given.rate) if kind == "Dropout" else simple[kind]())
    network = keras.Sequential(made)
    network.set_weights(list(task.model.get_weights().values()))
    options = task.optimizer.options()
    if isinstance(task.optimizer, nn.Adam):
        (a, b), epsilon = options["betas"], options["epsilon"]
        optimizer: Any = keras.optimizers.Adam(options["lr"], beta_1=a, beta_2=b, epsilon=epsilon)
    else:
        optimizer = keras.optimizers.SGD(options["lr"], momentum=options["momentum"])
    network.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    images, labels = task.x[..., None], task.y.astype(np.int32)

    def train(count: int) -> None:
        whole = count - count % task.batch
        network.fit(images[:whole], labels[:whole], batch_size=task.batch, epochs=1, verbose=0)

    return Trainer(train, lambda x: np.asarray(network.predict(x[..., None], verbose=0)))


class Peer(NamedTuple):
    """The packages, how to get them, and what makes the trainer."""

    modules: tuple[str, ...]
    install: str
    trainer: Callable[[Task], Trainer]


PEERS = {
    "torch": Peer(("torch",), "torch==2.13.0", torch_trainer),
    "torch channels_last": Peer(("torch",), "torch==2.13.0", partial(torch_trainer, channels_last=True)),
    "jax": Peer(("jax", "jaxlib"), "jax", jax_trainer),
    "keras": Peer(("keras",), "keras", keras_trainer),
}
