"""Sums of very many float32 terms: in blocks, some blocks' sums in one float32 number, and these in float64.

One float32 number would gather the rounding errors: of n equal terms, up to n / 3 times 6e-8 of the sum. In blocks, those of one
block and of BLOCKS blocks are left, however many there are: up to 1.3e-6 (in tiles 1.7e-6) for the worst of equal terms, and below
1e-7 for terms at random.

A tile's blocks are put aside in `sums`, of its type, and in `wide`, float64; both have room for the tile from `position` on.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from ...runtime.jit import inlined
from ...runtime.memory import buffer
from ..simd.vector import Vector, element_pointer, lanes_of, load, splat, store

ONE_SUM = 512
"""Up to so many terms are added up in one number, one after the other."""
BLOCK_TERMS = 64
"""Where there are more, a block is so many terms, or fewer."""
TILE_TERMS = 96
"""So in register tiles over whole kernels, which take longer to put aside. (64, 600 terms, Zen 4: 0.99 of the speed.)"""
ONE_BLOCK = 2**62
"""So many pieces has the only block of a sum that isn't long."""
BLOCKS = 16
"""So many blocks' sums are added up in their own type."""

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
NOTHING = np.empty(0, FLOAT64)
INT64 = ir.IntType(64)


def is_long(terms: int, dtype: np.dtype) -> bool:
    """Return whether a sum of so many terms is made in blocks."""
    return terms > ONE_SUM and dtype == FLOAT32


def block_of(most: int) -> int:
    """Return how many terms a block has where there may be so many."""
    return min(most, BLOCK_TERMS)


def pieces_of(run: int, multiple: int = 1) -> tuple[int, int]:
    """Return the length of the pieces, a multiple, into which a run of terms is cut, and how many pieces a block has.

    A run's last piece may be shorter; a run that isn't longer than a block is one piece.
    """
    piece = run
    if run > TILE_TERMS:
        piece = -(-run // -(-run // TILE_TERMS))
        piece = -(-piece // multiple) * multiple
    return piece, runs_of_block(piece)


def runs_of_block(run: int) -> int:
    """Return how many runs of so many terms a tile's block has."""
    return max(1, TILE_TERMS // run)


def lines_of_block(lines: int, pixels: int) -> int:
    """Return how many of an image's lines, of so many pixels, a block has: one, or up to some more than TILE_TERMS pixels."""
    most = max(1, (TILE_TERMS + TILE_TERMS // 6) // pixels)
    return -(-lines // -(-lines // most))


def spans_of(terms: int, sums: int) -> int:
    """Return into how many spans a line of so many terms is cut, each a block for a tile that spreads them over so many sums."""
    return max(1, -(-terms // (TILE_TERMS * sums * 7 // 6)))


def scratchpads(elements: int, blocks: int, dtype: np.dtype) -> tuple[Any, Any]:
    """Return what gives a thread `sums` and `wide` for a tile of so many elements; no room where there is none to put aside."""
    sums = partial(buffer, elements, dtype) if blocks > 1 else buffer(0, dtype)
    return sums, partial(buffer, elements, FLOAT64) if blocks > BLOCKS else NOTHING


def _wide_vector(vector) -> ir.VectorType:
    return ir.VectorType(ir.DoubleType(), vector.count)


def _zeros(vector) -> ir.Constant:
    return ir.Constant(vector, [0.0] * vector.count)


def _widened(builder, value):
    """Return a vector as one of as many float64."""
    wide = _wide_vector(value.type)
    return value if value.type == wide else builder.fpext(value, wide)


def _narrowed(builder, value, vector):
    return value if value.type == vector else builder.fptrunc(value, vector)


def _places(builder, tile, pointer):
    """Yield each of a tile's vectors' number and place behind a pointer."""
    for k in range(tile.rows * tile.vectors):
        yield k, builder.gep(pointer, [ir.Constant(INT64, k * tile.llvm.count)])


def _put_where(context, builder, signature, args):
    """Return the tile, where its sums are put aside in its own type and in float64, and how many blocks have been."""
    value, sums, wide, start, blocks = args
    pointers = (element_pointer(context, builder, signature.args[i], array, start) for i, array in ((1, sums), (2, wide)))
    return value, *pointers, blocks


@intrinsic
def vwide_splat(typing_context, array, scalar):
    """vwide_splat(array, scalar): the scalar as float64, as often as a vector of the array has lanes."""
    wide = Vector(types.float64, lanes_of(array.dtype))
    return wide(array, types.float64), lambda context, builder, signature, args: splat(builder, wide.llvm, args[1])


@intrinsic
def vwide_add(typing_context, wide, v):
    """vwide_add(wide, v): wide + v, lane by lane in float64."""

    def generate(context, builder, signature, args):
        return builder.fadd(args[0], _widened(builder, args[1]))

    return wide(wide, v), generate


@intrinsic
def vnarrow(typing_context, array, wide):
    """vnarrow(array, wide): float64 lanes rounded to a vector of the array's dtype."""
    vector = Vector(array.dtype)
    return vector(array, wide), lambda context, builder, signature, args: _narrowed(builder, args[1], vector.llvm)


@intrinsic
def tile_put_aside(typing_context, tile, sums, wide, position, count):
    """tile_put_aside(tile, sums, wide, position, count): keep the sum of a block, before which there were `count` others."""

    def generate(context, builder, signature, args):
        value, sums_pointer, wide_pointer, blocks = _put_where(context, builder, signature, args)
        place, zero = builder.and_(blocks, ir.Constant(blocks.type, BLOCKS - 1)), ir.Constant(blocks.type, 0)
        with builder.if_else(builder.icmp_signed("==", place, zero)) as (then, otherwise):
            with then:
                for k, here in _places(builder, tile, sums_pointer):
                    store(builder, builder.extract_value(value, k), here)
            with otherwise:
                for k, here in _places(builder, tile, sums_pointer):
                    store(builder, builder.fadd(load(builder, tile.llvm, here), builder.extract_value(value, k)), here)
        with builder.if_then(builder.icmp_signed("==", place, ir.Constant(blocks.type, BLOCKS - 1)), likely=False):
            first = builder.icmp_signed("<", blocks, ir.Constant(blocks.type, BLOCKS))
            pairs = zip(_places(builder, tile, sums_pointer), _places(builder, tile, wide_pointer), strict=True)
            for (_, here), (_, there) in pairs:
                total, kind = _widened(builder, load(builder, tile.llvm, here)), _wide_vector(tile.llvm)
                before = builder.select(first, _zeros(kind), load(builder, kind, there))
                store(builder, builder.fadd(before, total), there)
        return context.get_dummy_value()

    return types.void(tile, sums, wide, types.intp, types.intp), generate


@intrinsic
def tile_take_back(typing_context, tile, sums, wide, position, count):
    """tile_take_back(tile, sums, wide, position, count): the sum of a last block and of the `count` that were put aside."""

    def generate(context, builder, signature, args):
        value, sums_pointer, wide_pointer, blocks = _put_where(context, builder, signature, args)
        zero, kind = ir.Constant(blocks.type, 0), _wide_vector(tile.llvm)
        with builder.if_then(builder.icmp_signed(">=", blocks, ir.Constant(blocks.type, BLOCKS)), likely=False):
            some = builder.icmp_signed("!=", builder.and_(blocks, ir.Constant(blocks.type, BLOCKS - 1)), zero)
            pairs = zip(_places(builder, tile, sums_pointer), _places(builder, tile, wide_pointer), strict=True)
            for (_, here), (_, there) in pairs:  # in memory, since the tile's own registers are all there are
                last = builder.select(some, _widened(builder, load(builder, tile.llvm, here)), _zeros(kind))
                store(builder, _narrowed(builder, builder.fadd(load(builder, kind, there), last), tile.llvm), here)
        totals = [cgutils.alloca_once_value(builder, builder.extract_value(value, k)) for k in range(tile.rows * tile.vectors)]
        with builder.if_then(builder.icmp_signed("!=", blocks, zero), likely=True):
            for k, here in _places(builder, tile, sums_pointer):
                builder.store(builder.fadd(load(builder, tile.llvm, here), builder.load(totals[k])), totals[k])
        for k, total in enumerate(totals):
            value = builder.insert_value(value, builder.load(total), k)
        return value

    return tile(tile, sums, wide, types.intp, types.intp), generate


@intrinsic
def tile_cleared(typing_context, tile):
    """tile_cleared(tile): a tile of zeros of its shape."""
    return tile(tile), lambda context, builder, signature, args: ir.Constant(args[0].type, [_zeros(tile.llvm)] * len(args[0].type))


class Aside(NamedTuple):
    """How many blocks of a sum have been put aside, and how many pieces are `left` of the one that is being added up."""

    blocks: int
    left: int


@inlined
def end_of_piece(tile, sums, wide, aside, pieces):
    """Count a piece, of which a block has pieces[1], and put the tile aside if it was a block's last; return it and the count."""
    if aside.left > 1:
        return tile, Aside(aside.blocks, aside.left - 1)
    tile_put_aside(tile, sums, wide, 0, aside.blocks)
    return tile_cleared(tile), Aside(aside.blocks + 1, pieces[1])
