"""Whole register tiles as numbers: sums, maxima, products with vectors, and reductions of their rows."""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .tile_top import each_row, opaque
from .vector import (
    INT32,
    Vector,
    element_pointer,
    lane_mask,
    lane_sum,
    lanes_of,
    load,
    masked_load,
    multiply_add,
    nan_extreme,
    splat,
    store,
)

INT64 = ir.IntType(64)


@intrinsic
def tile_add(typing_context, a, b):
    """tile_add(a, b): the sum of two tiles of one shape."""

    def generate(context, builder, signature, args):
        total = args[0]
        for k in range(a.rows * a.vectors):
            total = builder.insert_value(total, builder.fadd(*(builder.extract_value(arg, k) for arg in args)), k)
        return total

    return a(a, b), generate


@intrinsic
def tile_dot(typing_context, tile, v, position):
    """tile_dot(tile, v, position): the vector whose lane i is the dot product of tile row i and v[position :].

    The tile has as many rows as a vector has lanes. Its products are added pairwise: neighbouring lanes of two rows into one
    vector, then of two such vectors, until each lane holds one row's sum.
    """
    count = tile.llvm.count

    def generate(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[1], args[1], args[2])
        factors = [load(builder, tile.llvm, builder.gep(pointer, [ir.Constant(INT64, j * count)])) for j in range(tile.vectors)]
        sums = []
        for i in range(tile.rows):
            total = ir.Constant(tile.llvm, [0.0] * count)
            for j, factor in enumerate(factors):
                total = multiply_add(builder, builder.extract_value(args[0], i * tile.vectors + j), factor, total)
            sums.append(total)
        return _lane_sums(builder, sums)

    if tile.rows == count:
        return Vector(tile.dtype)(tile, v, types.intp), generate
    return None


def _lane_sums(builder, vectors):
    """Return the vector whose lane i is the sum of vector i's lanes; there are as many vectors as lanes."""
    count = len(vectors)
    even, odd = (ir.Constant(ir.VectorType(INT32, count), [2 * i + k for i in range(count)]) for k in (0, 1))
    while len(vectors) > 1:
        vectors = [
            builder.fadd(builder.shuffle_vector(a, b, even), builder.shuffle_vector(a, b, odd))
            for a, b in zip(vectors[::2], vectors[1::2], strict=True)
        ]
    return vectors[0]


@intrinsic
def tile_lane_sums(typing_context, tile):
    """tile_lane_sums(tile): the vector whose lane i is the sum of tile row i; the tile has as many rows as a vector has lanes."""

    def generate(context, builder, signature, args):
        return _lane_sums(builder, [builder.extract_value(args[0], i) for i in range(tile.rows)])

    return (Vector(tile.dtype)(tile), generate) if tile.rows == tile.llvm.count and tile.vectors == 1 else None


@intrinsic(prefer_literal=True)
def tile_add_products(typing_context, tile, x, position, x_step, w, w_position, w_step, count, height, pixels, outputs):
    """tile[i * outputs + o, :] += x[position + i * x_step :] * w[w_position + o * w_step :] for i < height and o < outputs.

    The most pixels and the outputs are constants; a height that is one, too, is that of whole tiles. Only the first `count` lanes
    are loaded, the others count as zero; a constant 0 stands for whole vectors. For one-vector tiles.
    """
    whole = isinstance(count, types.Literal) and count.literal_value == 0
    all_pixels, most, results = isinstance(height, types.Literal), pixels.literal_value, outputs.literal_value

    def generate(context, builder, signature, args):
        value, x_array, x_start, x_distance, w_array, w_start, w_distance, valid, top, _, _ = args
        slots = [cgutils.alloca_once_value(builder, builder.extract_value(value, k)) for k in range(tile.rows)]
        mask = None if whole else lane_mask(builder, tile.llvm, valid)

        def row(array_type, array, start, distance, index):
            pointer = element_pointer(context, builder, array_type, array, start)
            pointer = builder.gep(pointer, [builder.mul(distance, ir.Constant(INT64, index))])
            return load(builder, tile.llvm, pointer) if whole else masked_load(builder, tile.llvm, pointer, mask)

        weights = [row(signature.args[4], w_array, w_start, w_distance, o) for o in range(results)]

        def add(i):
            pixel = row(signature.args[1], x_array, x_start, x_distance, i)
            for slot, weight in zip(slots[i * len(weights) :], weights, strict=False):
                builder.store(multiply_add(builder, pixel, weight, builder.load(slot)), slot)

        each_row(builder, most, opaque(builder, top), add, least=most if all_pixels else 1)
        for k, slot in enumerate(slots):
            value = builder.insert_value(value, builder.load(slot), k)
        return value

    numbers = (count if whole else types.intp, height if all_pixels else types.intp, pixels, outputs)
    return tile(tile, x, types.intp, types.intp, w, types.intp, types.intp, *numbers), generate


@intrinsic
def tile_scaled_add(typing_context, a, scalar, b):
    """tile_scaled_add(a, scalar, b): a + scalar * b, for two tiles of one shape."""

    def generate(context, builder, signature, args):
        total, factor = args[0], splat(builder, a.llvm, args[1])
        for k in range(a.rows * a.vectors):
            product = multiply_add(builder, factor, builder.extract_value(args[2], k), builder.extract_value(total, k))
            total = builder.insert_value(total, product, k)
        return total

    return a(a, a.dtype, b), generate


@intrinsic
def tile_max(typing_context, a, b):
    """tile_max(a, b): the larger of each pair of elements of two tiles of one shape; NaN if either is NaN."""

    def generate(context, builder, signature, args):
        result = args[0]
        for k in range(a.rows * a.vectors):
            left, right = (builder.extract_value(arg, k) for arg in args)
            larger = nan_extreme(builder, left, right, ">")
            result = builder.insert_value(result, larger, k)
        return result

    return a(a, b), generate


@intrinsic
def tile_scale_add(typing_context, tile, w, position, step, v):
    """tile_scale_add(tile, w, position, step, v): tile[i, :] += w[position + i * step :] * v, for a vector v (one-vector tiles)."""

    def generate(context, builder, signature, args):
        value, array, start, distance, factor = args
        pointer = element_pointer(context, builder, signature.args[1], array, start)
        for i in range(tile.rows):
            row = multiply_add(builder, load(builder, tile.llvm, pointer), factor, builder.extract_value(value, i))
            value = builder.insert_value(value, row, i)
            pointer = builder.gep(pointer, [distance])
        return value

    return (tile(tile, w, types.intp, types.intp, v), generate) if tile.vectors == 1 else None


@intrinsic(prefer_literal=True)
def tile_patch_scale_add(typing_context, tile, x, position, columns, column_step, row_step, v, count):
    """tile_patch_scale_add(tile, x, position, columns, column_step, row_step, v, count): tile[i, :] += patch[i] * v (one vector).

    The patch's vector i starts at x[position + (i // columns) * row_step + i % columns * column_step]. Only the first `count`
    lanes are loaded, the others count as zero; a constant 0 stands for whole vectors.
    """
    width, whole = columns.literal_value, isinstance(count, types.Literal) and count.literal_value == 0

    def generate(context, builder, signature, args):
        value, array, start, _, across, down, factor, valid = args
        pointer = row_pointer = element_pointer(context, builder, signature.args[1], array, start)
        mask = None if whole else lane_mask(builder, tile.llvm, valid)
        for i in range(tile.rows):
            pointer = row_pointer if i % width == 0 else builder.gep(pointer, [across])
            part = load(builder, tile.llvm, pointer) if whole else masked_load(builder, tile.llvm, pointer, mask)
            value = builder.insert_value(value, multiply_add(builder, part, factor, builder.extract_value(value, i)), i)
            if i % width == width - 1:
                row_pointer = builder.gep(row_pointer, [down])
        return value

    if tile.vectors != 1:
        return None
    return tile(tile, x, types.intp, columns, types.intp, types.intp, v, count if whole else types.intp), generate


@intrinsic
def tile_weighted_sum(typing_context, tile, x, position):
    """tile_weighted_sum(tile, x, position): the vector sum of tile[i, :] * x[position + i] over the rows (one-vector tiles)."""

    def generate(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[1], args[1], args[2])
        total = ir.Constant(tile.llvm, [0.0] * tile.llvm.count)
        for i in range(tile.rows):
            scalar = splat(builder, tile.llvm, builder.load(builder.gep(pointer, [ir.Constant(INT64, i)])))
            total = multiply_add(builder, builder.extract_value(args[0], i), scalar, total)
        return total

    return (Vector(tile.dtype)(tile, x, types.intp), generate) if tile.vectors == 1 else None


@intrinsic
def tile_row_sum(typing_context, tile, y, position, count):
    """tile_row_sum(tile, y, position, count): y[position + i] += the sum of tile row i's first `count` lanes (one-vector tiles)."""

    def generate(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[1], args[1], args[2])
        mask, zero = lane_mask(builder, tile.llvm, args[3]), ir.Constant(tile.llvm, [0.0] * tile.llvm.count)
        for i in range(tile.rows):
            target = builder.gep(pointer, [ir.Constant(INT64, i)])
            total = lane_sum(builder, builder.select(mask, builder.extract_value(args[0], i), zero))
            builder.store(builder.fadd(builder.load(target), total), target)
        return context.get_dummy_value()

    return (types.void(tile, y, types.intp, types.intp), generate) if tile.vectors == 1 else None


@intrinsic
def copy_transposed(typing_context, x, position, step, y, y_position, y_step):
    """copy_transposed(x, xp, step, y, yp, y_step): y[yp + j * y_step + i] = x[xp + i * step + j] for i and j below lanes(x).

    Blocks of 1, 2, 4, ... lanes are exchanged between the rows of a square.
    """
    vector, count = Vector(x.dtype).llvm, lanes_of(x.dtype)

    def generate(context, builder, signature, args):
        source = element_pointer(context, builder, signature.args[0], *args[:2])
        target = element_pointer(context, builder, signature.args[3], *args[3:5])
        rows = [load(builder, vector, builder.gep(source, [builder.mul(args[2], ir.Constant(INT64, i))])) for i in range(count)]
        width = 1
        while width < count:
            low = [i if i // width % 2 == 0 else count + i - width for i in range(count)]
            high = [i + width if i // width % 2 == 0 else count + i for i in range(count)]
            picks = [ir.Constant(ir.VectorType(INT32, count), lanes) for lanes in (low, high)]
            for i in (i for i in range(count) if i // width % 2 == 0):
                pair = rows[i], rows[i + width]
                rows[i], rows[i + width] = (builder.shuffle_vector(*pair, pick) for pick in picks)
            width *= 2
        for j, row in enumerate(rows):
            store(builder, row, builder.gep(target, [builder.mul(args[5], ir.Constant(INT64, j))]))
        return context.get_dummy_value()

    return types.void(x, types.intp, types.intp, y, types.intp, types.intp), generate
