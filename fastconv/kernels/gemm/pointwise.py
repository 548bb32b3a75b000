"""Weight gradient of 1 x 1 kernels, a product of two matrices: blocks of pixels are copied, so that no two share a cache's set.

With 512 channels, pixels lie 2 KB apart: in a first-level cache of 64 sets of lines all of them meet in two sets, and push each
other out before they are used again. The copied pixels are an odd number of lines apart. (Tried: panels of one tile's channels,
pixel behind pixel, are no faster, and take a tenth longer with 128 filters; prefetching the next block brings nothing.)
"""

from functools import cache, partial

import numpy as np

from ...runtime.jit import jit
from ...runtime.machine import PIXELS_BLOCK, STRIP, VECTOR_BYTES
from ...runtime.memory import buffer
from ...runtime.task import Task
from ...shapes import ConvSpec
from ..arrays.long_sums import BLOCKS, FLOAT64, block_of, is_long, tile_put_aside, tile_take_back
from ..contraction.geometry import pack_geometry, read_geometry
from ..contraction.lowering import lower_output
from ..contraction.pack import copy_pixels
from ..simd.tile import choose_tile, tile_load, tile_outer, tile_outer_run, tile_store, tile_zero
from ..simd.vector import lanes, lanes_of

DEPTH = 4
"""How many pixels one round of the innermost loop takes."""
LEAST_PIXELS = 32
"""A tile is loaded and stored once a block, which should not be for fewer pixels than this."""
LEAST_WEIGHTS = 2**14
"""With fewer weights the copies take longer than they save: 32 -> 64 runs at 0.9 of the speed without them, 64 -> 64 at 0.92."""


@cache
def pointwise_weight_grad_kernel(rows, vectors, long):
    """Return the kernel for tiles of `rows` input channels by `vectors` vectors of filters; it needs at least `rows` channels.

    Units are tiles, filters fastest: a range of units is a range of channels, and only these are copied. Between the blocks of
    pixels the tiles stand in `sums`; `long` sums are those of arrays/long_sums.py.
    """

    @jit
    def pointwise_weight_grad(x, dy, dw, sums, wide, pixels, strip, geometry, pitch, total, block, start, stop):
        g = read_geometry(geometry)
        run, outputs = g.run, g.outputs
        channels = vectors * lanes(x)
        strips = (outputs + channels - 1) // channels
        begin, end = min(start // strips * rows, run - rows), min(((stop - 1) // strips + 1) * rows, run)
        for first in range(0, total, block):
            last = min(first + block, total)
            copy_pixels(x, first, last, g.x_image, g.x_lines, g.pixels, g.x_step, begin, end - begin, pixels, pitch)
            for s in range(strips):
                o = s * channels
                if outputs - o < channels:
                    strip[:] = 0
                copy_pixels(
                    dy, first, last, g.y_image, g.y_lines, g.pixels, g.y_step, o, min(channels, outputs - o), strip, channels
                )
                for r in range((start - s + strips - 1) // strips, (stop - s + strips - 1) // strips):
                    c = min(r * rows, run - rows)  # the last tile moves back and overlaps: each sums its own
                    kept, position, at = (r * strips + s) * rows * channels, c - begin, 0
                    if first == 0 or long:
                        tile = tile_zero(x, rows, vectors)
                    else:
                        tile = tile_load(sums, kept, channels, rows, vectors)
                    for _ in range((last - first) // DEPTH):
                        tile = tile_outer_run(tile, pixels, position, 1, pitch, strip, at, channels, DEPTH)
                        position += DEPTH * pitch
                        at += DEPTH * channels
                    for _ in range((last - first) % DEPTH):
                        tile = tile_outer(tile, pixels, position, 1, strip, at)
                        position += pitch
                        at += channels
                    if last == total:
                        if long:
                            tile = tile_take_back(tile, sums, wide, kept, first // block)
                        tile_store(tile, dw, c * outputs + o, outputs, outputs - o)
                    elif long:
                        tile_put_aside(tile, sums, wide, kept, first // block)
                    else:
                        tile_store(tile, sums, kept, channels, channels)

    return pointwise_weight_grad


class PointwiseWeightGradPlan:
    """The weight gradient of 1 x 1 kernels: a WeightGradPlan. The units are tiles of dw."""

    def __init__(self, spec: ConvSpec, dtype: np.dtype):
        c = lower_output(spec)
        rows, vectors = choose_tile(c.run, c.outputs, dtype, (1, 2, 3, 4))
        self.flops = c.flops
        self.name = f"pointwise_{dtype.name}_{rows}x{vectors}x{lanes_of(dtype)}"
        channels, total = vectors * lanes_of(dtype), c.images * len(c.x_lines) * c.count
        most = min(STRIP // (channels * dtype.itemsize), max(LEAST_PIXELS, PIXELS_BLOCK // (c.run * dtype.itemsize)))
        long = is_long(total, dtype)
        blocks = -(-total // (block_of(most) if long else most))
        block = min(-(-total // (blocks * DEPTH)) * DEPTH, total)
        pitch = (-(-c.run * dtype.itemsize // VECTOR_BYTES) | 1) * lanes_of(dtype)
        self.units = -(-c.run // rows) * -(-c.outputs // channels)
        self._kernel, self._geometry = pointwise_weight_grad_kernel(rows, vectors, long), pack_geometry(c, 1)
        self._cut = pitch, total, block
        self._sizes = self.units * rows * channels, block * pitch, block * channels
        self._wide_size = self._sizes[0] if long and blocks > BLOCKS else 0

    def __call__(self, run, x, dy, dw):
        sums_size, *sizes = self._sizes
        sums, wide = buffer(sums_size, x.dtype), buffer(self._wide_size, FLOAT64)
        arguments = x, dy, dw, sums, wide, *(partial(buffer, size, x.dtype) for size in sizes), self._geometry, *self._cut
        run(Task(self._kernel, arguments, self.units, self.flops, slices_per_thread=1))


def pointwise_pays(spec: ConvSpec, dtype: np.dtype) -> bool:
    """Return whether the copies pay: there are enough products with each copied element."""
    return spec.channels * spec.filters >= LEAST_WEIGHTS
