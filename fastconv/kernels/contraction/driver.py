"""The loop nest of a convolution's output: blocks of lines, groups, outputs, lines, tiles of pixels. It closes over a micro-kernel.

The same nest computes the input gradient, from dy and rotated weights: see lowering.py for the tables.
"""

from functools import cache
from typing import Any, NamedTuple

from ...runtime.jit import inlined, jit
from ..epilogue.finish import finish_nothing
from ..simd.tile_top import next_height, tile_store_top
from ..simd.vector import lanes
from .geometry import read_geometry
from .pack import pad_rows


class Spot(NamedTuple):
    """Where one tile is."""

    line: int
    """Which of an image's, and the first `pixel` in it of the tile's `height`."""
    pixel: int
    height: int
    x: int
    """Where that pixel starts in the source, and the tile's outputs in the packed weights and bias, counted in outputs."""
    output: int
    y: int
    """Where the first result goes, and how many `outputs` there are from it on."""
    outputs: int


class MicroKernel(NamedTuple):
    """What a driver closes over: functions of one tile, made for tiles of up to `rows` pixels by `channels` outputs."""

    rows: int
    vectors: int
    sum_tile: Any
    """(x, w, bias, g, spot, sums, wide, pieces) -> the tile of sums"""
    store_tile: Any
    """(tile, y, bias, g, spot, sums)"""


@inlined
def source_of(x, scratch, g, image, first, last):
    """Return the lines first..last of an image, between zeros in scratch if they need any, and where they begin in it."""
    if not len(scratch):
        return x, image * g.x_image
    row = g.left + g.width + g.right
    low, high = g.x_lines[first] // row, (g.x_lines[last - 1] + g.taps[-1] + g.run - 1) // row + 1
    pad_rows(x, image * g.x_image, g.border_rows, low, high, g.left, g.width, g.right, scratch)
    return scratch, -low * row


@inlined
def store_channels(tile, y, bias, g, spot, sums):
    """Store a tile whose vectors are outputs of a pixel."""
    tile_store_top(tile, y, spot.y, g.y_step, spot.outputs, spot.height)


@cache
def contraction_kernel(name, micro, finish=finish_nothing):
    """Return the kernel that goes over all tiles, each of which it finishes.

    `cut` is (items, parts, outputs): an item is a block of lines of an image, and of all groups' outputs, so many at a time, each
    unit does a part for one item. The items are the faster index: what a part has of the weights stays near.
    """
    rows, vectors, sum_tile, store_tile = micro

    def contraction(x, w, bias, y, scratch, sums, wide, geometry, cut, pieces, epilogue, start, stop):
        g = read_geometry(geometry)
        lines, channels = len(g.y_lines), vectors * lanes(x)
        blocks, padded = (lines + g.block - 1) // g.block, (g.outputs + channels - 1) // channels * channels
        items, parts, most = cut
        chunks = (g.outputs + most - 1) // most
        for unit in range(start, stop):
            item, part = unit % items, unit // items
            image, first = item // blocks, item % blocks * g.block
            last = min(first + g.block, lines)
            source, origin = source_of(x, scratch, g, image, first, last)
            for group_chunk in range(g.groups * chunks * part // parts, g.groups * chunks * (part + 1) // parts):
                group, chunk = group_chunk // chunks, group_chunk % chunks * most
                for line in range(first, last):
                    pixel = 0
                    while pixel < g.pixels:
                        height = next_height(g.pixels - pixel, rows)
                        begin = origin + g.x_lines[line] + pixel * g.x_step + group * g.x_group
                        end = image * g.y_image + g.y_lines[line] + pixel * g.y_step + group * g.y_group
                        for o in range(chunk, min(chunk + most, g.outputs), channels):
                            spot = Spot(line, pixel, height, begin, group * padded + o, end + o, g.outputs - o)
                            store_tile(sum_tile(source, w, bias, g, spot, sums, wide, pieces), y, bias, g, spot, sums)
                            finish(y, spot.y, g.y_step, min(spot.outputs, channels), height, epilogue)
                        pixel += height

    contraction.__name__, contraction.__qualname__ = name, contraction.__qualname__.replace("contraction.", f"{name}.")
    return jit(contraction)
