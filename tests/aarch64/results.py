"""Results whose bits are compared between CPUs: `python -m tests.aarch64.results FILE [neon]` computes and keeps them.

With a second argument, an x86-64 CPU takes itself for one with NEON's vectors, 32 registers of 16 bytes: its machine code adds
the same numbers in the same order, and must give an aarch64 CPU's bits, as runtime/machine.py promises of machines with the
same vectors. (It needs a fused multiply-add, which all aarch64 CPUs have.)
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from unittest import mock

import numpy as np

Results = Iterator[tuple[str, np.ndarray]]
ANY_CPU = "on any CPU: "
"""The names of results that have the same bits whatever the vectors begin so."""
CLOSE = {"float32": 1e-5, "float64": 1e-13}
"""Others differ, between CPUs with other vectors, by less than this part of the largest number."""


def take_for_neon() -> None:
    """Let runtime/machine.py find an aarch64 CPU, but go on compiling for this one."""
    from numba.core.registry import cpu_target

    assert "fastconv.runtime.machine" not in sys.modules
    codegen = cpu_target.target_context.codegen()
    if "+fma" not in codegen.magic_tuple()[2].split(","):
        raise RuntimeError("this CPU has no fused multiply-add, so it can't give an aarch64 CPU's bits")
    with mock.patch.object(type(codegen), "magic_tuple", lambda self: ("aarch64-unknown-linux-gnu", "generic", "")):
        from fastconv.runtime import machine
    assert (machine.VECTOR_BYTES, machine.REGISTERS) == (16, 32)


def differences(emulated: Mapping, neon: Mapping, native: Mapping) -> list[str]:
    """Return in which results an emulated CPU differs from this one, taken for one with NEON's vectors, and as it is."""
    if set(emulated) != set(neon) or not set(emulated) & set(native):
        return [f"not all have the same results: {sorted(set(emulated) ^ set(neon))}"]
    found = []
    for name, mine in emulated.items():
        if not _same(mine, neon[name]):
            found.append(f"{name}: other bits than those of this CPU taken for one with NEON's vectors")
        if name in native:
            bound = CLOSE[str(mine.dtype)] * np.abs(mine).max()
            if name.startswith(ANY_CPU) and not _same(mine, native[name]):
                found.append(f"{name}: other bits than this CPU's")
            elif not np.abs(mine - native[name]).max() <= bound:
                found.append(f"{name}: more than {bound:.1e} from this CPU's")
    return found


def _same(mine: np.ndarray, theirs: np.ndarray) -> bool:
    return (mine.shape, mine.dtype, mine.tobytes()) == (theirs.shape, theirs.dtype, theirs.tobytes())


def numbers(shape: tuple[int, ...], seed: int, dtype: str = "float32") -> np.ndarray:
    """Return numbers between -1 and 1."""
    return (2 * np.random.default_rng(seed).random(shape) - 1).astype(dtype)


def trained() -> Results:
    """Train on 1,000 images of MNIST: the notebook's network, one image an update, and `small`, by their recipes."""
    from fastconv.datasets import load_mnist
    from fastconv.nn.models import MODELS

    x, y, x_test, _ = load_mnist()
    for name, scale in (("seed", 1), ("seed", 1e-39), ("small", 1)):
        found = {}
        for threads in (1, 2):
            network, recipe = MODELS[name].build((28, 28), 10, 0), MODELS[name].recipe._replace(epochs=1)
            kernel = network.views(network.parameters)[0]["kernel"]
            kernel *= np.float32(scale)  # 1e-39: numbers too small for full precision
            history = network.fit(x[:1000], y[:1000], **recipe._asdict(), threads=threads, progress=False)
            found[network.weights_hash()] = history["loss"][0]
        assert len(found) == 1, f"{name}: one thread and two give different weights: {found}"
        title = f"{name}, first weights times {scale}" if scale < 1 else name
        for weights, loss in found.items():
            print(f"{title}: trained on 1,000 images, one thread and two: loss {loss:.4f}, weights {weights}", flush=True)
        yield f"{title}, weights", network.parameters
        yield f"{title}, predictions", network.predict(x_test[:100])


def notebook() -> Results:
    """Train the notebooks' layers, in float64, on 30 images."""
    from fastconv import ConvolutionLayer, MaxPoolingLayer, SoftmaxLayer
    from fastconv.datasets import load_mnist

    x, y, _, _ = load_mnist()
    np.random.seed(0)
    convolution, pooling, dense = ConvolutionLayer(8, 3), MaxPoolingLayer(2), SoftmaxLayer(13 * 13 * 8, 10)
    for image, label in zip(x[:30], y[:30]):
        output = dense.forward_prop(pooling.forward_prop(convolution.forward_prop(image / 255.0)))
        gradient = np.zeros(10)
        gradient[label] = -1 / output[label]
        convolution.back_prop(pooling.back_prop(dense.back_prop(gradient, 0.005)), 0.005)
    yield "notebook, kernels", convolution.kernels
    yield "notebook, weights", dense.weight


def convolved() -> Results:
    """Run every algorithm of the table on a few shapes, all three directions."""
    from fastconv.kernels.table import TABLE
    from fastconv.runtime.threads import parallel_for

    from ..guarded_convolutions import convolution_cases

    for case in convolution_cases("part"):
        shapes = {"x": case.x, "w": case.w, "bias": case.w[-1:], "dy": case.spec.output_shape}
        arrays = {name: numbers(shape, seed) for seed, (name, shape) in enumerate(shapes.items())}
        for operation, rows in TABLE.items():
            given, result = {"output": ("x w bias", "dy"), "input_grad": ("dy w", "x"), "weight_grad": ("x dy", "w")}[operation]
            operands = [arrays[name].reshape(-1) for name in given.split()]
            for row in rows:
                if row.automatic and row.accepts(case.spec):
                    y = np.full(arrays[result].size, np.nan, np.float32)
                    row.plan(case.spec, y.dtype)(parallel_for, *operands, y)
                    yield f"{ANY_CPU if row.name == 'generic' else ''}{case.name}, {operation}, {row.name}", y


def layers() -> Results:
    """Run pooling, a dense layer, and softmax."""
    from fastconv import functional as fn

    x, w, rows = numbers((2, 9, 8, 11), 0), numbers((60, 33), 1), numbers((17, 60), 2)
    yield ANY_CPU + "maximum pooling", fn.max_pool2d(x, 3, stride=2, padding=1)
    yield "average pooling", fn.avg_pool2d(x, 3, stride=2, padding=1)
    yield "dense layer", fn.linear(rows, w, w[0])
    yield "its input gradient", fn.linear_input_grad(numbers((17, 33), 3), w)
    yield "its weight gradient", fn.linear_weight_grad(rows, numbers((17, 33), 3))
    yield "softmax", fn.softmax(rows)
    yield "logarithm of softmax", fn.log_softmax(rows)


def main(path: str) -> None:
    found: dict[str, np.ndarray] = {}
    for group in (convolved, layers, notebook, trained):
        found.update(group())
    np.savez(path, **found)
    print(f"{len(found)} results")


if __name__ == "__main__":
    if sys.argv[2:] == ["neon"]:
        take_for_neon()
    main(sys.argv[1])
