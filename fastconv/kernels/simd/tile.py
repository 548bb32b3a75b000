"""The register tile: rows x vectors accumulators that live in registers while a kernel sums into them.

A tile of R rows and V vectors is a numba type whose data model is an LLVM array of R * V vectors. One `tile_outer` reads R
scalars and V vectors and adds their outer product: R * V multiply-adds for R + V loads. Rows and vectors are constants of
the kernel (globals or closure variables); positions and steps are counted in elements and are not checked.
"""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, models, register_model

from ...runtime.machine import REGISTERS
from .vector import Vector, element_pointer, lane_mask, lanes_of, load, masked_load, masked_store, multiply_add, splat, store


def most_rows(vectors: int, limit: int = 14) -> int:
    """Return the most rows a tile can have before it spills (rows x vectors, `vectors` weights, one broadcast), up to a limit."""
    return min(limit, (REGISTERS - 1 - vectors) // vectors)


class Tile(types.Type):
    """The numba type of a register tile of `rows` x `vectors` vectors."""

    def __init__(self, dtype, rows, vectors):
        self.dtype, self.rows, self.vectors = dtype, rows, vectors
        super().__init__(name=f"Tile({dtype}, {rows}x{vectors}x{lanes_of(dtype)})")

    @property
    def llvm(self) -> ir.VectorType:
        return Vector(self.dtype).llvm


@register_model(Tile)
class _TileModel(models.PrimitiveModel):
    def __init__(self, manager, tile):
        super().__init__(manager, tile, ir.ArrayType(tile.llvm, tile.rows * tile.vectors))


def _advance(builder, pointer, elements):
    return builder.gep(pointer, [ir.Constant(ir.IntType(64), elements)])


def _literal(value) -> int:
    return value.literal_value


@intrinsic(prefer_literal=True)
def tile_zero(typing_context, array, rows, vectors):
    """tile_zero(array, rows, vectors): a tile of zeros of the array's dtype."""
    tile = Tile(array.dtype, _literal(rows), _literal(vectors))
    zero = ir.Constant(tile.llvm, [0.0] * tile.llvm.count)
    count = tile.rows * tile.vectors
    value = ir.Constant(ir.ArrayType(tile.llvm, count), [zero] * count)
    return tile(array, rows, vectors), lambda context, builder, signature, args: value


@intrinsic(prefer_literal=True)
def tile_load(typing_context, array, position, step, rows, vectors):
    """tile_load(array, position, step, rows, vectors): row i starts at array[position + i * step]; step 0 repeats a row."""
    tile = Tile(array.dtype, _literal(rows), _literal(vectors))

    def generate(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[0], args[0], args[1])
        value = ir.Constant(ir.ArrayType(tile.llvm, tile.rows * tile.vectors), ir.Undefined)
        for i in range(tile.rows):
            for j in range(tile.vectors):
                part = load(builder, tile.llvm, _advance(builder, pointer, j * tile.llvm.count))
                value = builder.insert_value(value, part, i * tile.vectors + j)
            pointer = builder.gep(pointer, [args[2]])
        return value

    return tile(array, types.intp, types.intp, rows, vectors), generate


@intrinsic(prefer_literal=True)
def tile_outer(typing_context, tile, x, x_position, x_step, w, w_position):
    """tile_outer(tile, x, xp, step, w, wp): tile[i, :] += x[xp + i * step] * w[wp : wp + vectors * lanes]."""

    def generate(context, builder, signature, args):
        value, x_array, x_start, step, w_array, w_start = args
        w_pointer = element_pointer(context, builder, signature.args[4], w_array, w_start)
        weights = [load(builder, tile.llvm, _advance(builder, w_pointer, j * tile.llvm.count)) for j in range(tile.vectors)]
        x_pointer = element_pointer(context, builder, signature.args[1], x_array, x_start)
        return _add_outer(builder, tile, value, x_pointer, step, weights)

    return tile(tile, x, types.intp, types.intp, w, types.intp), generate


@intrinsic(prefer_literal=True)
def tile_outer_run(typing_context, tile, x, x_position, x_step, x_next, w, w_position, w_next, depth):
    """tile_outer_run(tile, x, xp, step, x_next, w, wp, w_next, depth): tile_outer at xp and wp, xp + x_next and wp + w_next, ...

    `depth` of them, unrolled, so that what their addresses share is worked out once.
    """

    def generate(context, builder, signature, args):
        value, x_array, x_start, step, x_distance, w_array, w_start, w_distance, _ = args
        w_pointer = element_pointer(context, builder, signature.args[5], w_array, w_start)
        x_pointer = element_pointer(context, builder, signature.args[1], x_array, x_start)
        for _ in range(_literal(depth)):
            weights = [load(builder, tile.llvm, _advance(builder, w_pointer, j * tile.llvm.count)) for j in range(tile.vectors)]
            value = _add_outer(builder, tile, value, x_pointer, step, weights)
            x_pointer, w_pointer = builder.gep(x_pointer, [x_distance]), builder.gep(w_pointer, [w_distance])
        return value

    return tile(tile, x, types.intp, types.intp, types.intp, w, types.intp, types.intp, depth), generate


@intrinsic(prefer_literal=True)
def tile_outer_part(typing_context, tile, x, x_position, x_step, w, w_position, count):
    """tile_outer_part(..., count): like tile_outer, with only the first `count` elements of w; the rest count as zero."""

    def generate(context, builder, signature, args):
        value, x_array, x_start, step, w_array, w_start, valid = args
        weights = _load_part(context, builder, tile, signature.args[4], w_array, w_start, valid)
        x_pointer = element_pointer(context, builder, signature.args[1], x_array, x_start)
        return _add_outer(builder, tile, value, x_pointer, step, weights)

    return tile(tile, x, types.intp, types.intp, w, types.intp, types.intp), generate


def _load_part(context, builder, tile, array_type, array, position, count):
    """Load one row of the tile's vectors, only its first `count` elements."""
    pointer = element_pointer(context, builder, array_type, array, position)
    return [
        masked_load(builder, tile.llvm, _advance(builder, pointer, j * tile.llvm.count), _part_mask(builder, tile, count, j))
        for j in range(tile.vectors)
    ]


def _part_mask(builder, tile, count, vector_index):
    """Return the mask of the tile's vector `vector_index` where only the first `count` elements of a row are there."""
    return lane_mask(builder, tile.llvm, builder.sub(count, ir.Constant(count.type, vector_index * tile.llvm.count)))


def _add_outer(builder, tile, value, x_pointer, step, weights):
    for i in range(tile.rows):
        value = _add_row(builder, value, i, splat(builder, tile.llvm, builder.load(x_pointer)), weights)
        x_pointer = builder.gep(x_pointer, [step])
    return value


def _add_row(builder, value, row, scalar, weights):
    """Add scalar * weights to one row of the tile."""
    for k, weight in enumerate(weights, row * len(weights)):
        value = builder.insert_value(value, multiply_add(builder, scalar, weight, builder.extract_value(value, k)), k)
    return value


@intrinsic(prefer_literal=True)
def tile_store(typing_context, tile, y, position, step, count):
    """tile_store(tile, y, position, step, count): row i goes to y[position + i * step :], its first `count` elements."""

    def generate(context, builder, signature, args):
        value, array, start, step, valid = args
        pointer = element_pointer(context, builder, signature.args[1], array, start)
        whole = builder.icmp_signed(">=", valid, ir.Constant(valid.type, tile.vectors * tile.llvm.count))
        with builder.if_else(whole, likely=True) as (then, otherwise):
            with then:
                _store_rows(builder, tile, value, pointer, step, [None] * tile.vectors)
            with otherwise:
                masks = [_part_mask(builder, tile, valid, j) for j in range(tile.vectors)]
                _store_rows(builder, tile, value, pointer, step, masks)
        return context.get_dummy_value()

    return types.void(tile, y, types.intp, types.intp, types.intp), generate


def _store_rows(builder, tile, value, pointer, step, masks):
    for row in range(tile.rows):
        store_row(builder, tile, value, row, pointer, masks)
        pointer = builder.gep(pointer, [step])


def store_row(builder, tile, value, row, pointer, masks):
    """Store one row of the tile's vectors behind a pointer, a whole vector where its mask is None."""
    for j, mask in enumerate(masks):
        part = builder.extract_value(value, row * tile.vectors + j)
        target = _advance(builder, pointer, j * tile.llvm.count)
        if mask is None:
            store(builder, part, target)
        else:
            masked_store(builder, part, target, mask)


@intrinsic(prefer_literal=True)
def tile_load_part(typing_context, array, position, step, rows, vectors, count):
    """tile_load_part(array, position, step, rows, vectors, count): like tile_load, the first `count` of each row, else zero."""
    tile = Tile(array.dtype, _literal(rows), _literal(vectors))

    def generate(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[0], args[0], args[1])
        masks = [_part_mask(builder, tile, args[5], j) for j in range(tile.vectors)]
        value = ir.Constant(ir.ArrayType(tile.llvm, tile.rows * tile.vectors), ir.Undefined)
        for i in range(tile.rows):
            for j, mask in enumerate(masks):
                part = masked_load(builder, tile.llvm, _advance(builder, pointer, j * tile.llvm.count), mask)
                value = builder.insert_value(value, part, i * tile.vectors + j)
            pointer = builder.gep(pointer, [args[2]])
        return value

    return tile(array, types.intp, types.intp, rows, vectors, types.intp), generate


@intrinsic(prefer_literal=True)
def tile_outer_patch(typing_context, tile, x, position, columns, row_step, v):
    """tile_outer_patch(tile, x, position, columns, row_step, v): tile[i, :] += patch[i] * v, for a vector v (one-vector tiles).

    The patch's element i is x[position + (i // columns) * row_step + i % columns].
    """

    def generate(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[1], args[1], args[2])
        return _add_patch(builder, tile, args[0], pointer, _literal(columns), args[4], [args[5]])

    return (tile(tile, x, types.intp, columns, types.intp, v), generate) if tile.vectors == 1 else None


@intrinsic(prefer_literal=True)
def tile_outer_patch_part(typing_context, tile, x, position, columns, row_step, w, w_position, count):
    """tile_outer_patch_part(tile, x, position, columns, row_step, w, wp, count): tile[i, :] += patch[i] * w[wp :], of count."""

    def generate(context, builder, signature, args):
        value, x_array, start, _, distance, w_array, w_start, valid = args
        weights = _load_part(context, builder, tile, signature.args[5], w_array, w_start, valid)
        pointer = element_pointer(context, builder, signature.args[1], x_array, start)
        return _add_patch(builder, tile, value, pointer, _literal(columns), distance, weights)

    return tile(tile, x, types.intp, columns, types.intp, w, types.intp, types.intp), generate


def _add_patch(builder, tile, value, pointer, columns, row_step, weights):
    for i in range(tile.rows):
        scalar = splat(builder, tile.llvm, builder.load(_advance(builder, pointer, i % columns)))
        value = _add_row(builder, value, i, scalar, weights)
        if i % columns == columns - 1:
            pointer = builder.gep(pointer, [row_step])
    return value


def fit_rows(count: int, most: int) -> int:
    """Return the tile rows, up to `most`, that cover `count` pixels at least cost: tiles x (rows + loads' and stores' share)."""
    return min(range(min(count, most), 0, -1), key=lambda rows: -(-count // rows) * (rows + 1))


def choose_tile(count: int, outputs: int, dtype, vectors: tuple[int, ...]) -> tuple[int, int]:
    """Return the (rows, vectors) that cover count x outputs at least cost, with one of the given numbers of vectors."""
    lanes, choices = lanes_of(dtype), []
    for v in vectors:
        rows = fit_rows(count, most_rows(v))
        tiles = -(-count // rows) * -(-outputs // (v * lanes))
        choices.append((tiles * _tile_cost(rows, v), rows, v))
    return min(choices)[1:]


def fit_vectors(outputs: int, dtype, choices: tuple[int, ...] = (1, 2, 4)) -> tuple[int, int]:
    """Return the (rows, vectors) of a tile that covers one pixel's outputs at least cost, with one of the given numbers of vectors.

    However many pixels there are: a kernel for each number of them would be compiled for each.
    """

    def cost(vectors: int) -> float:
        rows = most_rows(vectors)
        return -(-outputs // (vectors * lanes_of(dtype))) * _tile_cost(rows, vectors) / rows

    vectors = min(choices, key=cost)
    return most_rows(vectors), vectors


def _tile_cost(rows: int, vectors: int) -> float:
    """Return a tile's multiply-adds and, since they share the front end, 0.4 of one for each load.

    (Sapphire Rapids, 24 pixels, 64 outputs, float32: 12 x 1 runs at 0.75 of 6 x 4, 12 x 2 at 0.94, 8 x 3, whose last vectors are
    half empty, at 0.69.)
    """
    return rows * vectors + 0.4 * (rows + vectors)
