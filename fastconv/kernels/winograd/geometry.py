"""The numbers of Winograd's kernels, named: packed in one int64 array on the way to them, as in contraction/geometry.py."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.np.unsafe.ndarray import to_fixed_tuple

from ...runtime.jit import jit


class Side(NamedTuple):
    """Images that are read or written by tiles."""

    height: int
    width: int
    channels: int
    """Of a pixel, all groups together."""
    above: int
    """Where the first tile begins outside the image: so many pixels above it, and `before` it."""
    before: int
    grid_height: int
    grid_width: int
    """Tiles of an image."""


class Blocks(NamedTuple):
    """How the work on an output is cut, and where transformed arrays stand."""

    channels: int
    """Of a group, as are `outputs`."""
    outputs: int
    groups: int
    chunks: int
    """Chunks of a group's outputs; `blocks` of tiles."""
    blocks: int
    v_step: int
    """From one tile to the next in transformed patches; `v_plane` is from one of the n x n planes to the next."""
    v_plane: int
    u_plane: int
    """Between planes of transformed weights; `sums_plane` between those of the sums."""
    sums_plane: int
    run: int
    """So many channels are summed in one number."""
    tiles: int


class GradientBlocks(NamedTuple):
    """How the work on a weight gradient is cut, and where transformed arrays stand."""

    channels: int
    """Of a group, as are `filters`."""
    filters: int
    groups: int
    parts: int
    """Parts of the tiles, which are summed in their order."""
    c_blocks: int
    f_blocks: int
    c_block: int
    f_block: int
    chunk: int
    """So many tiles are transformed at a time, and `span` of them summed before they are transformed back."""
    tiles: int
    v_step: int
    """From one tile to the next in transformed patches, and `z_step` in transformed gradients; planes as in Blocks."""
    v_plane: int
    z_step: int
    z_plane: int
    sums_plane: int
    span: int


SIDE, BLOCKS, GRADIENT_BLOCKS = len(Side._fields), len(Blocks._fields), len(GradientBlocks._fields)


def pack_numbers(source: Side, target: Side, blocks: Blocks | GradientBlocks) -> np.ndarray:
    """Return all as one array."""
    return np.array([*source, *target, *blocks], np.int64)


@jit
def read_sides(packed):
    """Return the source and the target that were packed."""
    return Side(*to_fixed_tuple(packed[:SIDE], SIDE)), Side(*to_fixed_tuple(packed[SIDE : 2 * SIDE], SIDE))


@jit
def read_blocks(packed):
    """Return the Blocks that were packed."""
    return Blocks(*to_fixed_tuple(packed[2 * SIDE :], BLOCKS))


@jit
def read_gradient_blocks(packed):
    """Return the GradientBlocks that were packed."""
    return GradientBlocks(*to_fixed_tuple(packed[2 * SIDE :], GRADIENT_BLOCKS))
