"""Fourier transforms of `lanes` interleaved sequences at once, a vector of them for each of `count` points, a power of two.

Vectors are never taken apart. Forward, points in their order become frequencies in the order of `frequencies`, and backward again,
without a factor; so nobody sorts them. Four points at a time (radix 4), two in the last step of an odd power of two.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...runtime.jit import inlined
from ..simd.vector import lanes, vadd, vload, vmul_add, vsplat, vstore, vsub, vzero


@lru_cache(maxsize=64)
def turns(count: int, dtype: np.dtype) -> np.ndarray:
    """Return for each step, of n points, and each j < n / 4 the cosines and sines of -2 pi j / n times 1, 2 and 3."""
    steps, n = [], count
    while n >= 4:
        angles = np.outer(np.arange(n // 4), [1, 2, 3]) * (-2 * np.pi / n)
        steps.append(np.stack([np.cos(angles), np.sin(angles)], -1).ravel())
        n //= 4
    return np.concatenate([*steps, np.zeros(0)]).astype(dtype)


def frequencies(count: int) -> np.ndarray:
    """Return the frequency at each place of a transform: the first quarter has every fourth, and so on."""
    if count <= 2:
        return np.arange(count)
    return np.concatenate([4 * frequencies(count // 4) + r for r in range(4)])


@inlined
def turned(array, re, im, cosine, sine):
    """Return a vector of complex numbers times cosine + i sine."""
    c, s, back = vsplat(array, cosine), vsplat(array, sine), vsplat(array, -sine)
    return vmul_add(im, back, vmul_add(re, c, vzero(array))), vmul_add(im, c, vmul_add(re, s, vzero(array)))


@inlined
def forward(re, im, table, count):
    """Transform re + i im in place, by exp(-2 pi i f m / count)."""
    n, at, size = count, 0, lanes(re)
    while n >= 4:
        step = n // 4 * size
        for j in range(n // 4):
            c1, s1, c2, s2 = table[at], table[at + 1], table[at + 2], table[at + 3]
            c3, s3 = table[at + 4], table[at + 5]
            at += 6
            for p0 in range(j * size, count * size, n * size):
                p1, p2, p3 = p0 + step, p0 + 2 * step, p0 + 3 * step
                ar, ai, br, bi = vload(re, p0), vload(im, p0), vload(re, p1), vload(im, p1)
                cr, ci, dr, di = vload(re, p2), vload(im, p2), vload(re, p3), vload(im, p3)
                er, ei, fr, fi = vadd(ar, cr), vadd(ai, ci), vsub(ar, cr), vsub(ai, ci)
                gr, gi, hr, hi = vadd(br, dr), vadd(bi, di), vsub(bi, di), vsub(dr, br)
                vstore(re, p0, vadd(er, gr))
                vstore(im, p0, vadd(ei, gi))
                ur, ui = turned(re, vadd(fr, hr), vadd(fi, hi), c1, s1)
                vstore(re, p1, ur)
                vstore(im, p1, ui)
                ur, ui = turned(re, vsub(er, gr), vsub(ei, gi), c2, s2)
                vstore(re, p2, ur)
                vstore(im, p2, ui)
                ur, ui = turned(re, vsub(fr, hr), vsub(fi, hi), c3, s3)
                vstore(re, p3, ur)
                vstore(im, p3, ui)
        n //= 4
    if n == 2:
        pairs(re, count)
        pairs(im, count)


@inlined
def backward(re, im, table, count):
    """Transform back what `forward` gives, times count."""
    n, at, size = 4, len(table), lanes(re)
    if count_is_odd(count):
        pairs(re, count)
        pairs(im, count)
        n = 8
    while n <= count:
        step = n // 4 * size
        at -= n // 4 * 6
        for j in range(n // 4):
            k = at + 6 * j
            for p0 in range(j * size, count * size, n * size):
                p1, p2, p3 = p0 + step, p0 + 2 * step, p0 + 3 * step
                ar, ai = vload(re, p0), vload(im, p0)
                br, bi = turned(re, vload(re, p1), vload(im, p1), table[k], -table[k + 1])
                cr, ci = turned(re, vload(re, p2), vload(im, p2), table[k + 2], -table[k + 3])
                dr, di = turned(re, vload(re, p3), vload(im, p3), table[k + 4], -table[k + 5])
                er, ei, fr, fi = vadd(ar, cr), vadd(ai, ci), vsub(ar, cr), vsub(ai, ci)
                gr, gi, hr, hi = vadd(br, dr), vadd(bi, di), vsub(di, bi), vsub(br, dr)
                vstore(re, p0, vadd(er, gr))
                vstore(im, p0, vadd(ei, gi))
                vstore(re, p1, vadd(fr, hr))
                vstore(im, p1, vadd(fi, hi))
                vstore(re, p2, vsub(er, gr))
                vstore(im, p2, vsub(ei, gi))
                vstore(re, p3, vsub(fr, hr))
                vstore(im, p3, vsub(fi, hi))
        n *= 4


@inlined
def count_is_odd(count):
    """Return whether a power of two has an odd exponent."""
    while count >= 4:
        count //= 4
    return count == 2


@inlined
def pairs(array, count):
    """Each two neighbouring points become their sum and difference."""
    for p in range(0, count * lanes(array), 2 * lanes(array)):
        a, b = vload(array, p), vload(array, p + lanes(array))
        vstore(array, p, vadd(a, b))
        vstore(array, p + lanes(array), vsub(a, b))
