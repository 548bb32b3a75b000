"""The notebook's network forward, for one image: convolution, 2 x 2 max pooling, dense layer; a vector of filters at a time."""

from typing import NamedTuple

from ...runtime.jit import inlined
from ..arrays.long_sums import tile_put_aside, tile_take_back
from ..simd.tile import tile_load, tile_outer, tile_store, tile_zero
from ..simd.tile_math import tile_max, tile_row_sum, tile_scale_add
from ..simd.vector import lanes, vload, vzero
from ..simd.vector_math import vwhere_positive

FORWARD, ONLINE, GRADIENT = range(3)
"""What is done: losses only; an update after each image; the gradient's sums over parts of the batch."""


class Layout(NamedTuple):
    """An image's numbers, and where things are in the arrays."""

    width: int
    """Pixels of a line and lines of an image; `pooled` after pooling, which are `pixels` together."""
    pooled: int
    pixels: int
    given: int
    """How many filters there are, and how many `filters` with those that fill up vectors."""
    filters: int
    dense: int
    """Where the dense layer's weights begin in what is packed, and its `bias`."""
    bias: int
    room: int
    """So much of `convolved` and `wide` is room for sums that are put aside."""
    pixel_block: int
    """A long sum's block of pixels, and one of a row's, `across`."""
    across: int


def forward_pass(size, classes, rows, mode, relu, long):
    """Return the function that leaves an image's class totals; what it is made for is as in conv_pool_dense_kernel."""
    taps = size * size

    @inlined
    def convolve(image, packed, n, f, corner):
        """Four tiles of sums over taps, one for each pixel of the pooling windows: the formula."""
        a = b = c = d = tile_load(packed, taps * n.filters + f, 0, rows, 1)
        for y in range(size):
            for x in range(size):
                w, source = (y * size + x) * n.filters + f, corner + y * n.width + x
                a = tile_outer(a, image, source, 2, packed, w)
                b = tile_outer(b, image, source + 1, 2, packed, w)
                c = tile_outer(c, image, source + n.width, 2, packed, w)
                d = tile_outer(d, image, source + n.width + 1, 2, packed, w)
        return a, b, c, d

    @inlined
    def convolve_and_pool(image, packed, convolved, maxima, n, f):
        """Leave the windows' maxima and, if there is a gradient to come, what was convolved; the last tile of a row moves back."""
        between = 4 * n.filters
        for row in range(n.pooled):
            for tile_start in range(0, n.pooled, rows):
                column = min(tile_start, n.pooled - rows)
                a, b, c, d = convolve(image, packed, n, f, 2 * (row * n.width + column))
                pixel = row * n.pooled + column
                if mode != FORWARD:
                    at = n.room + pixel * between + f
                    tile_store(a, convolved, at, between, lanes(packed))
                    tile_store(b, convolved, at + n.filters, between, lanes(packed))
                    tile_store(c, convolved, at + 2 * n.filters, between, lanes(packed))
                    tile_store(d, convolved, at + 3 * n.filters, between, lanes(packed))
                tile_store(tile_max(tile_max(a, b), tile_max(c, d)), maxima, pixel * n.filters + f, n.filters, lanes(packed))

    @inlined
    def add_pixels(sums, packed, maxima, n, f, begin, end):
        """sums[class, :] += the sum over pixels of w[pixel, class, :] * maximum[pixel, :]: the formula."""
        for pixel in range(begin, end):
            maximum = vload(maxima, pixel * n.filters + f)
            if relu:
                maximum = vwhere_positive(maximum, maximum, vzero(packed))
            sums = tile_scale_add(sums, packed, n.dense + pixel * classes * n.filters + f, n.filters, maximum)
        return sums

    @inlined
    def add_dense(packed, convolved, maxima, wide, totals, n, f):
        """Add to the totals what a vector of filters gives them."""
        sums = tile_zero(packed, classes, 1)
        for begin in range(0, n.pixels, n.pixel_block):
            if long and begin:
                tile_put_aside(sums, convolved, wide, 0, begin // n.pixel_block - 1)
                sums = tile_zero(packed, classes, 1)
            sums = add_pixels(sums, packed, maxima, n, f, begin, min(begin + n.pixel_block, n.pixels))
        if long:
            sums = tile_take_back(sums, convolved, wide, 0, (n.pixels - 1) // n.pixel_block)
        tile_row_sum(sums, totals, 0, n.given - f)  # what fills up has weights of zero, but infinity times zero is NaN

    @inlined
    def forward(image, packed, convolved, maxima, wide, totals, n):
        for k in range(classes):
            totals[k] = packed[n.bias + k]
        for f in range(0, n.filters, lanes(packed)):
            convolve_and_pool(image, packed, convolved, maxima, n, f)
            add_dense(packed, convolved, maxima, wide, totals, n, f)

    return forward
