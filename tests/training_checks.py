"""Each kernel of training against its loop twin, with all its arrays made by `guard`: exactly, or within a bound on its rounding.

Used by test_training_kernels.py as they come, and by guarded.py with every array against a page that can't be touched.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from fastconv.engine.normalization import BatchNorm, ZeroPadding
from fastconv.kernels.arrays.blocks import BLOCK, blocks_of
from fastconv.kernels.arrays.column_sums import sum_columns
from fastconv.kernels.layers.elementwise import dropout, relu, relu_grad
from fastconv.kernels.training.batch import BEFORE, EPOCH, POSITION, SEED, STATE_SIZE, STEP, advance, gather, gather_shifted, store
from fastconv.kernels.training.loss import cross_entropy_loss, squared_loss
from fastconv.kernels.training.optimizers import adam, sgd
from fastconv.runtime.task import Task

from . import naive_training as naive
from .cases import integers
from .guarded import in_slices

ORDER = np.array([4, 2, 0, 6, 1, 5, 3])
CHOSEN = ORDER[3:6]
"""The batch at POSITION 3."""


def empty(shape, dtype):
    return np.full(shape, np.nan if np.dtype(dtype).kind == "f" else 0, dtype)


def state_of(**places):
    """Return the state with these numbers, as position=3, at their places."""
    state = np.zeros(STATE_SIZE, np.int64)
    for name, value in {"position": 3, **places}.items():
        state[{"position": POSITION, "step": STEP, "epoch": EPOCH, "seed": SEED, "before": BEFORE}[name]] = value
    return state


def run(units, kernel, *arguments):
    in_slices(Task(kernel, arguments, units))


def assert_within(mine, theirs, bound, dtype):
    """Compare with what was computed in float64; the bound is a sum of sizes of terms, each rounded to the type once."""
    error = np.abs(mine.astype(np.float64) - theirs)
    assert (error <= np.finfo(dtype).eps * np.asarray(bound) + 1e-300).all(), (error.max(), dtype)


def check_gather(dtype, guard):
    scale, count = guard(np.array([1 / 255], dtype)), 0
    for kind, shape in product((np.uint8, dtype), ((5, 6, 1), (3, 4, 3), (2, 17, 2))):
        images = np.random.default_rng(1).integers(0, 256, (7, *shape)).astype(kind)
        flat, order = guard(images.reshape(-1)), guard(ORDER)
        for most in (0, 1, 3):
            state, x = guard(state_of(epoch=2, seed=9)), guard(empty(3 * np.prod(shape), dtype))
            if most:
                run(3, gather_shifted, flat, order, state, scale, x, *shape, most)
                expected = naive.gather_shifted(images, CHOSEN, scale[0], most, 9, 2)
            else:
                run(3, gather, flat, order, state, scale, x)
                expected = naive.gather(images, CHOSEN, scale[0])
            np.testing.assert_array_equal(x.reshape(3, *shape), expected)
            count += 1
    state, results, y = guard(state_of()), guard(np.zeros(14)), guard(np.arange(6.0))
    run(3, store, y, 2, state, results)
    run(1, advance, state, 3, 1)
    assert results.tolist() == [0] * 6 + [0, 1, 2, 3, 4, 5] + [0] * 2
    assert (state[POSITION], state[STEP]) == (6, 1)
    return count + 2


def check_losses(dtype, guard):
    random, eps, count = np.random.default_rng(3), np.finfo(dtype).eps, 0
    for kernel, twin, size, gradient in product((cross_entropy_loss, squared_loss), (None,), (1, 3, 10, 17), (0, 1)):
        y = random.normal(0, 5, (3, size)).astype(dtype)
        if kernel is cross_entropy_loss:
            targets, spread = random.integers(0, size, 7), np.ptp(y) + 1
            losses, correct, dz = naive.cross_entropy(y, targets[CHOSEN])
        else:
            targets, spread = random.normal(0, 5, (7, size)).astype(dtype), 1
            losses, correct, dz = naive.mean_squared_error(y, targets[CHOSEN])
        found, right, dy = guard(np.zeros(7)), guard(np.zeros(7, np.bool_)), guard(empty(y.size * gradient, dtype))
        arrays = guard(y.reshape(-1)), guard(targets.reshape(-1)), guard(ORDER), guard(state_of())
        run(3, kernel, *arrays, size, 3, found, right, dy)
        np.testing.assert_allclose(found[3:6], losses, rtol=1e-12, atol=2 * eps * spread)  # differences are rounded to the type
        assert right[3:6].tolist() == correct and not found[:3].any() and not right[6]
        if gradient:
            np.testing.assert_allclose(dy.reshape(dz.shape), dz, rtol=2 * eps, atol=2 * eps * spread)
        count += 1
    return count


def check_elementwise(dtype, guard):
    for n, slope in product((1, 17, BLOCK + 5), (0, 0.25)):
        y, dy, leak = guard(integers(n, dtype, 1)), guard(integers(n, dtype, 2)), guard(np.array([slope], dtype))
        expected = [slope * v if v < 0 else v for v in y]
        run(blocks_of(y), relu, y, leak)
        np.testing.assert_array_equal(y, expected)
        y[0] = np.nan
        gradient = [slope * g if v <= 0 else g for v, g in zip(y, dy)]
        run(blocks_of(dy), relu_grad, y, dy, leak)
        np.testing.assert_array_equal(dy, gradient)
    odd = np.array([np.nan, np.inf, -np.inf, -0.0], dtype)
    run(1, relu, odd, leak)
    np.testing.assert_array_equal(odd, [np.nan, np.inf, -np.inf, 0])
    for size, rate in ((1, 0.5), (37, 0.25), (100, 0.9)):
        y = np.random.default_rng(5).normal(0, 1, (3, size)).astype(dtype)
        mine, scale = guard(y.reshape(-1)), guard(np.array([1 / (1 - rate)], dtype))
        run(3, dropout, mine, size, guard(ORDER), guard(state_of(epoch=1, seed=6)), 2, round(rate * 2**32), scale)
        expected = naive.dropout(y, rate, 6, 1, CHOSEN, 2).reshape(-1)
        np.testing.assert_array_equal(mine == 0, expected == 0)
        assert_within(mine, expected, np.abs(expected), dtype)
    for pixels, channels in ((0, 2), (1, 5), (63, 3), (200, 1), (3000, 17), (9000, 33)):
        x, total = guard(integers((pixels, channels), dtype, 4).reshape(-1)), guard(empty(channels, dtype))
        sum_columns(in_slices, x, total)
        np.testing.assert_array_equal(total, x.reshape(pixels, channels).sum(axis=0))
    return 15


def check_batch_norm(dtype, guard):
    for pixels, channels in ((1, 3), (5, 1), (130, 5), (67, 64), (33, 70)):
        random = np.random.default_rng(channels)
        x, dy = (random.normal(mean, 2, (pixels, channels)).astype(dtype) for mean in (30, 1))
        names, gradients = ("gamma", "beta", "running_mean", "running_var"), {}
        weights = {name: guard(random.uniform(0.5, 2, channels).astype(dtype)) for name in names}
        before = {name: array.astype(np.float64) for name, array in weights.items()}
        for name in names[:2]:
            gradients[name] = guard(empty(channels, dtype))
        layer = BatchNorm(weights, gradients, 0.25, 0.01, True)
        flat, y, d, dx = guard(x.reshape(-1)), guard(empty(x.size, dtype)), guard(dy.reshape(-1)), guard(empty(x.size, dtype))
        layer.forward(in_slices, flat, y)
        layer.backward(in_slices, flat, y, d, dx)
        gamma, beta = before["gamma"], before["beta"]
        wanted_y, mean, variance, wanted_dx, dgamma, dbeta = naive.batch_norm(x, gamma, beta, 0.01, dy)
        scale = gamma / np.sqrt(variance + 0.01)
        summed = 1 + pixels * np.finfo(np.float64).eps / np.finfo(dtype).eps  # sums round in float64, once a pixel
        terms = scale * (np.abs(x - mean) + np.abs(mean)) + np.abs(beta)
        assert_within(y.reshape(x.shape), wanted_y, 2 * summed * terms, dtype)
        unbiased = variance * pixels / max(1, pixels - 1)
        for name, batch in (("running_mean", mean), ("running_var", unbiased)):
            close = {"rtol": 2 * summed * np.finfo(dtype).eps, "atol": 1e-12}
            np.testing.assert_allclose(weights[name], 0.75 * before[name] + 0.25 * batch, **close)
        most = np.abs(dy).sum(axis=0)
        assert_within(gradients["beta"], dbeta, summed * most, dtype)
        products = (np.abs(dy) * (np.abs(x - mean) + np.abs(mean))).sum(axis=0)
        assert_within(gradients["gamma"], dgamma, summed * products / np.sqrt(variance + 0.01), dtype)
        slope = scale / (variance + 0.01) * products / pixels
        terms = scale * (np.abs(dy) + most / pixels) + slope * (np.abs(x - mean) + np.abs(mean))
        assert_within(dx.reshape(x.shape), wanted_dx, 4 * summed * terms, dtype)
        frozen = BatchNorm(weights, {}, 0.25, 0.01, False)
        frozen.forward(in_slices, flat, y)
        scale = gamma / np.sqrt(weights["running_var"].astype(np.float64) + 0.01)
        wanted_y = (x - weights["running_mean"].astype(np.float64)) * scale + beta
        assert_within(y.reshape(x.shape), wanted_y, 4 * (scale * (np.abs(x) + weights["running_mean"]) + beta), dtype)
        dx[:] = np.nan
        frozen.backward(in_slices, flat, y, d, dx)
        assert_within(dx.reshape(x.shape), scale * dy, 4 * np.abs(scale * dy), dtype)
    return 15


def check_margins(dtype, guard):
    for shape, pads in (((2, 3, 4, 5), (1, 2, 0, 3)), ((1, 1, 17, 1), (0, 0, 1, 0)), ((3, 2, 2, 16), (0, 1, 2, 2))):
        x, padding = integers(shape, dtype, 3), ZeroPadding(shape[0], (*shape[1:], *pads))
        expected = np.pad(x, ((0, 0), pads[:2], pads[2:], (0, 0)))
        y, dx = guard(empty(expected.size, dtype)), guard(empty(x.size, dtype))
        padding.forward(in_slices, guard(x.reshape(-1)), y)
        np.testing.assert_array_equal(y.reshape(expected.shape), expected)
        y += 1 - (y != 0)  # what stands in the margin must not come back
        padding.backward(in_slices, x, y, y, dx)
        inside = np.where(x != 0, x, 1)
        np.testing.assert_array_equal(dx.reshape(shape), inside)
    return 6


def check_optimizers(dtype, guard):
    random, rates = np.random.default_rng(8), np.array([9.0, 9.0, 0.01])
    exact = np.array([9.0, 9.0, 0.125])
    state = state_of(step=2)
    for n, momentum, nesterov in product((1, BLOCK + 3), (0, 0.5), (0, 1)):
        w, g, v = (integers(n, dtype, seed) for seed in range(3))
        v = v if momentum else 0 * v
        mine, velocity = guard(w), guard(v if momentum else v[:0])
        settings = guard(np.array([momentum, 0.25, nesterov]))
        run(blocks_of(w), sgd, mine, guard(g), velocity, settings, guard(exact), guard(state))
        wanted, wanted_velocity = naive.sgd(w, g, v, 0.125, momentum, 0.25, nesterov)
        np.testing.assert_array_equal(mine, wanted)  # all factors are powers of two
        np.testing.assert_array_equal(velocity, wanted_velocity[: len(velocity)])
    for n, decay, apart, before in [*product((1, BLOCK + 3), (0, 0.1), (0, 1), (0,)), (5, 0.1, 1, 40)]:
        w, g, mean = (random.normal(0, 1, n).astype(dtype) for _ in range(3))
        square = random.uniform(0.1, 1, n).astype(dtype)
        mine = [guard(array) for array in (w, mean, square)]
        settings = guard(np.array([0.9, 0.999, 1e-8, decay, apart]))
        counted = guard(state_of(step=2, before=before))
        run(blocks_of(w), adam, mine[0], guard(g), *mine[1:], settings, guard(rates), counted)
        wanted = naive.adam(w, g, mean, square, 0.01, (0.9, 0.999), 1e-8, decay, apart, 3 + before)
        step = np.abs(g) + decay * np.abs(w)
        assert_within(mine[1], wanted[1], 2 * (np.abs(mean) + step), dtype)
        assert_within(mine[2], wanted[2], 4 * wanted[2], dtype)
        assert_within(mine[0], wanted[0], np.abs(w) + 8 * 0.01 * (np.abs(mean) + step) * 4 / np.sqrt(wanted[2] / 0.003), dtype)
    return 17


CHECKS = [check_gather, check_losses, check_elementwise, check_batch_norm, check_margins, check_optimizers]
