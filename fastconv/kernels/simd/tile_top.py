"""The first rows of a register tile, as many as only the running kernel knows: the code for the others is passed over.

So one kernel does lines of any length, in tiles of nearly equal height, and no pixel twice.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from ...runtime.jit import jit
from .tile import _advance, _part_mask, store_row
from .vector import element_pointer, load, multiply_add, splat


@jit
def next_height(left, rows):
    """Return how many of the pixels that are left the next tile takes: all its rows', but of few more than these the half.

    A tile of one row or two takes longer than its share, for its sums wait for one another.
    """
    return (left + 1) // 2 if rows < left < rows + rows // 2 else min(left, rows)


def opaque(builder, value):
    """Return a pointer or an integer as one of which LLVM knows nothing.

    Else, in a loop, it would keep what it works out from it for every pixel, in memory, instead of adding to it on the way.
    """
    return builder.asm(ir.FunctionType(value.type, [value.type]), "", "=r,0", [value], side_effect=False)


def each_row(builder, rows, count, emit, finish=None, least=1):
    """Emit the code of a tile's rows in turn, in blocks that are passed over where there are no more rows.

    There are `least` rows at least. `finish(n)` emits what comes after n rows, if these are all.
    """

    def emit_from(row):
        emit(row)
        behind = row + 1
        if behind < least:
            emit_from(behind)
        elif behind == rows:
            if finish:
                finish(rows)
        elif finish:
            with builder.if_else(builder.icmp_signed(">", count, ir.Constant(count.type, behind))) as (then, otherwise):
                with then:
                    emit_from(behind)
                with otherwise:
                    finish(behind)
        else:
            with builder.if_then(builder.icmp_signed(">", count, ir.Constant(count.type, behind))):
                emit_from(behind)

    emit_from(0)


@intrinsic(prefer_literal=True)
def tile_outer_top(typing_context, tile, x, x_position, x_step, w, w_position, rows):
    """tile_outer_top(tile, x, xp, step, w, wp, rows): tile_outer for the first `rows` rows, one at least."""

    def generate(context, builder, signature, args):
        value, x_array, x_start, step, w_array, w_start, count = args
        slots = [cgutils.alloca_once_value(builder, builder.extract_value(value, k)) for k in range(tile.rows * tile.vectors)]
        w_pointer = element_pointer(context, builder, signature.args[4], w_array, w_start)
        weights = [load(builder, tile.llvm, _advance(builder, w_pointer, j * tile.llvm.count)) for j in range(tile.vectors)]
        pointers = [opaque(builder, element_pointer(context, builder, signature.args[1], x_array, x_start))]

        def add(row):
            scalar = splat(builder, tile.llvm, builder.load(pointers[row]))
            pointers.append(builder.gep(pointers[row], [step]))
            for slot, weight in zip(slots[row * tile.vectors :], weights, strict=False):
                builder.store(multiply_add(builder, scalar, weight, builder.load(slot)), slot)

        each_row(builder, tile.rows, opaque(builder, count), add)
        for k, slot in enumerate(slots):
            value = builder.insert_value(value, builder.load(slot), k)
        return value

    return tile(tile, x, types.intp, types.intp, w, types.intp, types.intp), generate


@intrinsic(prefer_literal=True)
def tile_store_top(typing_context, tile, y, position, step, count, rows):
    """tile_store_top(tile, y, position, step, count, rows): tile_store for the first `rows` rows, one at least."""

    def generate(context, builder, signature, args):
        value, array, start, distance, valid, top = args
        pointer = element_pointer(context, builder, signature.args[1], array, start)

        def put(row, masks):
            place = builder.gep(pointer, [builder.mul(distance, ir.Constant(distance.type, row))])
            store_row(builder, tile, value, row, place, masks)

        whole = builder.icmp_signed(">=", valid, ir.Constant(valid.type, tile.vectors * tile.llvm.count))
        with builder.if_else(whole, likely=True) as (then, otherwise):
            with then:
                all_rows = builder.icmp_signed("==", top, ir.Constant(top.type, tile.rows))
                with builder.if_else(all_rows) as (full, short):
                    with full:
                        for row in range(tile.rows):
                            put(row, [None] * tile.vectors)
                    with short:
                        each_row(builder, tile.rows, top, lambda row: put(row, [None] * tile.vectors))
            with otherwise:
                masks = [_part_mask(builder, tile, valid, j) for j in range(tile.vectors)]
                each_row(builder, tile.rows, top, lambda row: put(row, masks))
        return context.get_dummy_value()

    return types.void(tile, y, types.intp, types.intp, types.intp, types.intp), generate
