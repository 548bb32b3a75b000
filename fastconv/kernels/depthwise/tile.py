"""A small kernel that slides along a line of pixels: each pixel is loaded once, for all the products that it is in."""

from functools import cache, reduce
from itertools import groupby, product
from operator import itemgetter

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from ..simd.tile_top import each_row, opaque
from ..simd.vector import element_pointer, lane_mask, load, masked_store, store
from .pixels import Line, Slots

INT64 = ir.IntType(64)


def _meetings(results, taps, stride, distance):
    """Return the (source, result, tap) that meet, by sources: result i and tap t meet at i * stride + t * distance."""
    return sorted((i * stride + t * distance, i, t) for i in range(results) for t in range(taps))


def _literals(shape) -> tuple[int, ...]:
    return tuple(number.literal_value for number in shape)


def _is_whole(count) -> bool:
    return isinstance(count, types.Literal) and count.literal_value == 0


def _each_line(builder, table, first, meetings):
    """Yield (start, (result, tap) of each meeting) in a block of code for each line; pass over those whose start is -1."""
    for j, group in groupby(meetings, itemgetter(0)):
        start = builder.load(builder.gep(table, [builder.add(first, ir.Constant(INT64, j))]))
        with builder.if_then(builder.icmp_signed(">=", start, ir.Constant(INT64, 0)), likely=True):
            yield start, [meeting[1:] for meeting in group]


def _slide(builder, shape, height, line_of, meet):
    """Emit meet(line, source, result, tap) for all meetings of a line with a tile's first `height` results, an LLVM integer.

    They come by sources. line_of(edge) returns a line of which only the pixels `edge` may be outside.
    """
    pixels, taps, stride, distance, _, edge, least = shape
    meetings, reach = _meetings(pixels, taps, stride, distance), (taps - 1) * distance
    window = range((pixels - 1) * stride + reach + 1)
    shared = line_of(window[: edge if edge <= reach else None])

    def up_to(i):
        for source, result, tap in meetings:
            if (i - 1) * stride < source <= i * stride:
                meet(shared, source, result, tap)

    def behind(n):
        line = line_of(window if edge else ())
        for source, result, tap in meetings:
            if source > (n - 1) * stride and result < n:
                meet(line, source, result, tap)

    each_row(builder, pixels, opaque(builder, height), up_to, behind, least)


@intrinsic(prefer_literal=True)
def tile_slide(typing_context, tile, x, position, step, x_lines, first, w, w_position, w_steps, bounds, height, count, shape):
    """tile[l * pixels + i, :] += sum over r, t, c of spread(pixel[l, r, i, t], c) * w[w_position + (r, t, c) * w_steps :].

    For lines l and the first `height` pixels i of the tile, `least` at least, tap rows r, taps t, and lanes c < segment. Pixel
    (l, r, i, t) is number j = i * stride + t * distance of line x_lines[first + l * line_stride + r * line_distance]: the vector
    x[position + line + j * step :], cut into segments of lanes; spread fills each with its own lane c. A line of -1 counts as zero,
    and so do pixels outside bounds[0] <= j < bounds[1]; only the first and the last `edge` pixels may be outside. Only the first
    `count` lanes are there; a constant count of 0 stands for whole vectors. For one-vector tiles. See Lines.shape for the shape.
    """
    whole, constants = _is_whole(count), _literals(shape)
    line_meetings, pixels, taps, segment = _meetings(*constants[:4]), constants[4], constants[5], constants[8]
    rows, window = constants[1], (pixels - 1) * constants[6] + (taps - 1) * constants[7] + 1

    def generate(context, builder, signature, args):
        value, x_array, start, x_step, table, first, w_array, w_start, w_steps, bounds, height, count, _ = args
        x_pointer = element_pointer(context, builder, signature.args[1], x_array, start)
        w_pointer = element_pointer(context, builder, signature.args[6], w_array, w_start)
        row_step, tap_step, run_step = cgutils.unpack_tuple(builder, w_steps)
        lanes, line_ends, sums = None if whole else count, cgutils.unpack_tuple(builder, bounds), Slots(builder, tile, value)

        def weight_line(r, c):
            index = builder.add(*(builder.mul(ir.Constant(INT64, n), by) for n, by in ((r, row_step), (c, run_step))))
            return Line(builder, tile.llvm, builder.gep(w_pointer, [index]), tap_step, taps, count=lanes)

        weights = {(r, c): weight_line(r, c) for r in range(rows) for c in range(segment)}
        if rows > 1:
            for line in weights.values():
                line.load()  # once for all lines
        table = element_pointer(context, builder, signature.args[4], table, ir.Constant(INT64, 0))
        for source, pairs in _each_line(builder, table, first, line_meetings):
            here = builder.gep(x_pointer, [source])
            for c in range(segment):
                for _, r in pairs:
                    weights[r, c].load()

                def line_of(edge, c=c, here=here):
                    line = Line(builder, tile.llvm, here, x_step, window, line_ends, edge, lanes)
                    return cache(lambda j: line.spread(j, c, segment, by_loads=True))

                def meet(line, source, result, tap, c=c, pairs=pairs):
                    for line_number, r in pairs:
                        sums.add(line_number * pixels + result, line(source), weights[r, c][tap])

                _slide(builder, constants[4:], height, line_of, meet)
        return sums.value()

    if tile.vectors != 1:
        return None
    n = types.intp
    return tile(tile, x, n, n, x_lines, n, w, n, w_steps, bounds, n, count if whole else n, shape), generate


@intrinsic(prefer_literal=True)
def tile_slide_grad(
    typing_context, tile, x, position, step, x_lines, first, dy, dy_position, dy_step, bounds, height, count, shape
):
    """tile[((r * taps + t) * segment + c) * parts + i % parts, :] += spread(pixel[0, r, i, t], c) * dy[row i].

    The gradient of tile_slide's w, for tiles of one line, with its pixels. Row i is dy[dy_position + i * dy_step :].
    The products are spread over as many partial sums as the tile has rows for, since a sum waits for the one before.
    """
    whole, constants = _is_whole(count), _literals(shape)
    line_meetings, pixels, taps, segment = _meetings(*constants[:4]), constants[4], constants[5], constants[8]
    rows, window = constants[1], (pixels - 1) * constants[6] + (taps - 1) * constants[7] + 1
    parts = tile.rows // (rows * taps * segment)

    def generate(context, builder, signature, args):
        value, x_array, start, x_step, table, first, dy_array, dy_start, dy_distance, bounds, height, count, _ = args
        x_pointer = element_pointer(context, builder, signature.args[1], x_array, start)
        dy_pointer = element_pointer(context, builder, signature.args[6], dy_array, dy_start)
        table = element_pointer(context, builder, signature.args[4], table, first)
        lanes, line_ends = None if whole else count, cgutils.unpack_tuple(builder, bounds)
        sums, zero = Slots(builder, tile, value), ir.Constant(INT64, 0)
        starts = [builder.load(builder.gep(table, [ir.Constant(INT64, source)])) for source, _, _ in line_meetings]
        there = [builder.icmp_signed(">=", start, zero) for start in starts]

        def add(tap_rows):
            gradients = Line(builder, tile.llvm, dy_pointer, dy_distance, pixels, count=lanes)
            heres = {r: opaque(builder, builder.gep(x_pointer, [starts[r]])) for r in tap_rows}

            def line_of(edge):
                lines = {r: Line(builder, tile.llvm, heres[r], x_step, window, line_ends, edge, lanes) for r in tap_rows}
                return cache(lambda r, j, c: lines[r].spread(j, c, segment))

            def meet(line, source, result, tap):
                for r, c in product(tap_rows, range(segment)):
                    sums.add(((r * taps + tap) * segment + c) * parts + result % parts, line(r, source, c), gradients[result])

            _slide(builder, constants[4:], height, line_of, meet)

        with builder.if_else(reduce(builder.and_, there), likely=True) as (then, otherwise):
            with then:
                add(range(rows))
            with otherwise:
                for r in range(rows) if rows > 1 else ():
                    with builder.if_then(there[r]):
                        add([r])
        return sums.value()

    if tile.vectors != 1 or constants[0] != 1:
        return None
    n = types.intp
    return tile(tile, x, n, n, x_lines, n, dy, n, n, bounds, n, count if whole else n, shape), generate


@intrinsic(prefer_literal=True)
def tile_store_lines(typing_context, tile, y, position, line_step, step, height, count, shape):
    """tile_store_lines(tile, y, position, line_step, step, height, count, shape): the results of tile_slide.

    Lines are line_step apart, rows step. A constant count of 0 stands for whole vectors.
    """
    whole, pixels, least = _is_whole(count), shape[4].literal_value, shape[10].literal_value

    def generate(context, builder, signature, args):
        value, array, start, line_distance, distance, height, valid, _ = args
        pointer = element_pointer(context, builder, signature.args[1], array, start)
        mask = None if whole else lane_mask(builder, tile.llvm, valid)

        for line in range(0, tile.rows, pixels):
            targets = [pointer]

            def put(i, line=line, targets=targets):
                part = builder.extract_value(value, line + i)
                if whole:
                    store(builder, part, targets[i])
                else:
                    masked_store(builder, part, targets[i], mask)
                targets.append(builder.gep(targets[i], [distance]))

            each_row(builder, pixels, opaque(builder, height), put, least=least)
            pointer = builder.gep(pointer, [line_distance])
        return context.get_dummy_value()

    n = types.intp
    return (types.void(tile, y, n, n, n, n, count if whole else n, shape), generate) if tile.vectors == 1 else None


@intrinsic(prefer_literal=True)
def tile_fold_add(typing_context, tile, y, position, step, count):
    """tile_fold_add(tile, y, position, step, count): y[position + k * step :] += the sum of `count` tile rows from k * count on.

    y may be of float64, for tiles of float32.
    """
    size, wider = count.literal_value, y.dtype != tile.dtype

    def generate(context, builder, signature, args):
        pointer = element_pointer(context, builder, signature.args[1], args[1], args[2])
        kind = ir.VectorType(ir.DoubleType(), tile.llvm.count) if wider else tile.llvm
        for first in range(0, tile.rows, size):
            parts = [builder.extract_value(args[0], i) for i in range(first, first + size)]
            if wider:
                parts = [builder.fpext(reduce(builder.fadd, parts), kind)]
            store(builder, reduce(builder.fadd, parts, load(builder, kind, pointer)), pointer)
            pointer = builder.gep(pointer, [args[3]])
        return context.get_dummy_value()

    return (types.void(tile, y, types.intp, types.intp, count), generate) if tile.vectors == 1 else None
