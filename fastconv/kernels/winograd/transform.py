"""One-vector tiles as small matrices: transform their columns, load them transposed, load and store those rows that are there."""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from ..simd.tile import Tile
from ..simd.vector import INT32, element_pointer, lane_mask, lanes_of, masked_load, masked_store, multiply_add, store
from .matrices import transform

INT64 = ir.IntType(64)


@intrinsic(prefer_literal=True)
def tile_transform(typing_context, tile, m, kind):
    """tile_transform(tile, m, kind): the constant matrix transform(m, kind) times the tile (one vector wide)."""
    chosen = transform(m.literal_value, kind.literal_value)
    core, weights = chosen.core, chosen.weights
    result = Tile(tile.dtype, len(core), 1)

    def generate(context, builder, signature, args):
        rows = [builder.extract_value(args[0], i) for i in range(tile.rows)]
        if weights is None:
            for i in range(1, len(rows) - 1, 2):
                rows[i : i + 2] = builder.fadd(rows[i], rows[i + 1]), builder.fsub(rows[i], rows[i + 1])
        rows = [_combine(builder, rows, factors) for factors in core]
        for k, weight in enumerate(weights or ()):
            even, odd = rows[2 * k + 1 : 2 * k + 3]
            if abs(weight) == 1:
                both = builder.fadd(even, odd), builder.fsub(even, odd)
                rows[2 * k + 1 : 2 * k + 3] = both if weight > 0 else both[::-1]
            else:
                rows[2 * k + 1 : 2 * k + 3] = (
                    multiply_add(builder, odd, _constant(even.type, sign * weight), even) for sign in (1, -1)
                )
        return _tile(result, builder, rows)

    return (result(tile, m, kind), generate) if tile.vectors == 1 and tile.rows == len(core[0]) else None


def _constant(vector, value):
    return ir.Constant(vector, [value] * vector.count)


def _combine(builder, rows, factors):
    """Return the sum of factor * row; factors of one come first, since they cost no multiplication."""
    total = None
    for factor, row in sorted(zip(factors, rows, strict=True), key=lambda term: (term[0] != 1, abs(term[0]) != 1)):
        if factor == 0:
            continue
        if total is None:
            total = row if factor == 1 else builder.fmul(row, _constant(row.type, factor))
        elif abs(factor) == 1:
            total = builder.fadd(total, row) if factor == 1 else builder.fsub(total, row)
        else:
            total = multiply_add(builder, row, _constant(row.type, factor), total)
    return total


def _tile(tile, builder, rows):
    value = ir.Constant(ir.ArrayType(tile.llvm, tile.rows), ir.Undefined)
    for i, row in enumerate(rows):
        value = builder.insert_value(value, row, i)
    return value


def _transposed(builder, rows):
    """Return the transpose of as many vectors as each has lanes."""
    count = len(rows)
    picks = []
    for start in (0, count // 2):
        order = [start + i // 2 + count * (i % 2) for i in range(count)]
        picks.append(ir.Constant(ir.VectorType(INT32, count), order))
    for _ in range(count.bit_length() - 1):
        # Interleaving rows i and i + count / 2 moves the row's highest bit to the lane's lowest, and the lane's highest to the row.
        rows = [builder.shuffle_vector(rows[i], rows[i + count // 2], pick) for i in range(count // 2) for pick in picks]
    return rows


def _load_rows(builder, tile, pointer, step, first, last, count):
    """Load the first `count` lanes of the rows first <= i < last; all else is zero."""
    rows, zero = [], ir.Constant(INT64, 0)
    for i in range(tile.rows):
        lanes = builder.select(_there(builder, i, first, last), count, zero)
        rows.append(masked_load(builder, tile.llvm, pointer, lane_mask(builder, tile.llvm, lanes)))
        pointer = builder.gep(pointer, [step])
    return rows


def _there(builder, index, first, last):
    """Return whether first <= index < last, for a constant index."""
    index = ir.Constant(INT64, index)
    return builder.and_(builder.icmp_signed("<=", first, index), builder.icmp_signed("<", index, last))


@intrinsic(prefer_literal=True)
def tile_load_rows(typing_context, array, position, step, rows, first, last, count):
    """tile_load_rows(array, position, step, rows, first, last, count): like tile_load, the rows first <= i < last.

    Their first `count` lanes; all else is zero, and its memory is not touched. One-vector tiles.
    """
    tile = Tile(array.dtype, rows.literal_value, 1)

    def generate(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[0], args[0], args[1])
        return _tile(tile, builder, _load_rows(builder, tile, pointer, args[2], *args[4:]))

    return tile(array, types.intp, types.intp, rows, types.intp, types.intp, types.intp), generate


@intrinsic
def tile_load_turned(typing_context, array, position, step, last, count):
    """tile_load_turned(array, position, step, last, count): the transpose of a block of lanes x lanes, as a one-vector tile.

    Of the block's rows i < last the first `count` elements, from array[position + i * step] on; all else is zero.
    """
    tile = Tile(array.dtype, lanes_of(array.dtype), 1)

    def generate(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[0], args[0], args[1])
        rows = _load_rows(builder, tile, pointer, args[2], ir.Constant(INT64, 0), *args[3:])
        return _tile(tile, builder, _transposed(builder, rows))

    return tile(array, types.intp, types.intp, types.intp, types.intp), generate


@intrinsic
def tile_store_rows(typing_context, tile, y, position, step, last, count):
    """tile_store_rows(tile, y, position, step, last, count): like tile_store, only the rows i < last (one-vector tiles)."""

    def generate(context, builder, signature, args):
        value, array, start, step_value, high, valid = args
        pointer = first = element_pointer(context, builder, signature.args[1], array, start)
        zero = ir.Constant(INT64, 0)
        whole = builder.and_(
            builder.icmp_signed(">=", valid, ir.Constant(INT64, tile.llvm.count)),
            builder.icmp_signed(">=", high, ir.Constant(INT64, tile.rows)),
        )
        with builder.if_else(whole, likely=True) as (then, otherwise):
            with then:
                for i in range(tile.rows):
                    store(builder, builder.extract_value(value, i), pointer)
                    pointer = builder.gep(pointer, [step_value])
            with otherwise:
                pointer = first
                for i in range(tile.rows):
                    lanes = builder.select(_there(builder, i, zero, high), valid, zero)
                    masked_store(builder, builder.extract_value(value, i), pointer, lane_mask(builder, tile.llvm, lanes))
                    pointer = builder.gep(pointer, [step_value])
        return context.get_dummy_value()

    return (types.void(tile, y, types.intp, types.intp, types.intp, types.intp), generate) if tile.vectors == 1 else None


@intrinsic(prefer_literal=True)
def prefetch_rows(typing_context, array, position, step, rows, write):
    """prefetch_rows(array, position, step, rows, write): fetch array[position + i * step] into the cache, if it exists.

    With a constant 1 for `write` they are soon to be written, and go to the first level, with 0 to be read, and go to the second.
    """
    kind = write.literal_value

    def generate(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[0], args[0], args[1])
        byte = ir.IntType(8).as_pointer()
        prefetch = ir.FunctionType(ir.VoidType(), [byte, INT32, INT32, INT32])
        function = cgutils.get_or_insert_function(builder.module, prefetch, "llvm.prefetch.p0")
        for _ in range(rows.literal_value):
            builder.call(function, [builder.bitcast(pointer, byte), *(ir.Constant(INT32, value) for value in (kind, 2 + kind, 1))])
            pointer = builder.gep(pointer, [args[2]])
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, rows, write), generate


@intrinsic
def tile_watch(typing_context, total, tile):
    """tile_watch(total, tile): the vector total plus zero times each row: NaN in the lanes where any row was not finite."""

    def generate(context, builder, signature, args):
        value = args[0]
        for i in range(tile.rows):
            value = multiply_add(builder, builder.extract_value(args[1], i), _constant(value.type, 0.0), value)
        return value

    return (total(total, tile), generate) if tile.vectors == 1 else None
