"""The notebook's network backward, for one image: what the gradient changes, in the weights themselves or in a part's sums."""

from ...runtime.jit import inlined
from ..arrays.long_sums import tile_put_aside, tile_take_back, vnarrow, vwide_add, vwide_splat
from ..simd.tile import tile_load, tile_outer, tile_outer_patch, tile_store, tile_zero
from ..simd.tile_math import tile_scaled_add, tile_weighted_sum
from ..simd.vector import lanes, vadd, vload, vmul_add, vsplat, vstore, vzero
from ..simd.vector_math import vwhere_equal, vwhere_positive, vwhere_unequal
from .forward import GRADIENT


def backward_pass(size, classes, mode, biased, relu, first, long):
    """Return the function that adds an image's gradient to target; what it is made for is as in conv_pool_dense_kernel."""
    taps = size * size

    @inlined
    def through_dense(packed, parts, target, origin, gradient, step, maxima, n, f, pixel):
        """Add step[class] * maximum[pixel, :] to the dense weights; return the maximum and its gradient."""
        w, source = n.dense + pixel * classes * n.filters + f, pixel * n.filters + f
        weights = tile_load(packed, w, n.filters, classes, 1)
        back, maximum = tile_weighted_sum(weights, gradient, 0), vload(maxima, source)
        if mode == GRADIENT:
            weights = tile_load(parts, origin + w, n.filters, classes, 1)
        if relu:
            back = vwhere_positive(maximum, back, vzero(packed))
            vstore(maxima, source, vwhere_positive(maximum, maximum, vzero(packed)))
        tile_store(tile_outer(weights, step, 0, 1, maxima, source), target, origin + w, n.filters, lanes(packed))
        return maximum, back

    @inlined
    def through_window(sums, shares, image, convolved, n, f, row, column, maximum, back):
        """sums[tap, :] += patch[tap] * share, and shares += share, for a window's pixels that are its maximum: the formula."""
        at, corner = n.room + (row * n.pooled + column) * 4 * n.filters + f, 2 * (row * n.width + column)
        for y in range(2):
            for x in range(2):
                value = vload(convolved, at + (2 * y + x) * n.filters)
                share = vwhere_equal(value, maximum, back)
                if first:
                    back = vwhere_unequal(value, maximum, back)
                shares = vadd(shares, share)
                sums = tile_outer_patch(sums, image, corner + y * n.width + x, size, n.width, share)
        return sums, shares

    @inlined
    def through_pixels(image, packed, parts, target, origin, convolved, maxima, wide, gradient, step, n, f):
        """Return the sums of the kernels' gradient, and the bias's, for a vector of filters."""
        sums, shares, blocks_aside = tile_zero(packed, taps, 1), vzero(packed), 0
        shares_aside = vwide_splat(packed, 0)
        for row in range(n.pooled):
            for begin in range(0, n.pooled, n.across):
                for column in range(begin, min(begin + n.across, n.pooled)):
                    pixel = row * n.pooled + column
                    maximum, back = through_dense(packed, parts, target, origin, gradient, step, maxima, n, f, pixel)
                    sums, shares = through_window(sums, shares, image, convolved, n, f, row, column, maximum, back)
                if long:
                    tile_put_aside(sums, convolved, wide, 0, blocks_aside)
                    sums, blocks_aside = tile_zero(packed, taps, 1), blocks_aside + 1
                    shares, shares_aside = vzero(packed), vwide_add(shares_aside, shares)
        if long:
            sums, shares = tile_take_back(sums, convolved, wide, 0, blocks_aside), vnarrow(packed, shares_aside)
        return sums, shares

    @inlined
    def backward(image, packed, parts, target, origin, convolved, maxima, wide, gradient, step, rate, n):
        for f in range(0, n.filters, lanes(packed)):
            sums, shares = through_pixels(
                image, packed, parts, target, origin, convolved, maxima, wide, gradient, step, n, f
            )  # fmt: skip
            kernels, at = tile_load(target, origin + f, n.filters, taps, 1), origin + taps * n.filters + f
            tile_store(tile_scaled_add(kernels, rate, sums), target, origin + f, n.filters, lanes(packed))
            if biased:
                vstore(target, at, vmul_add(vsplat(packed, rate), shares, vload(target, at)))

    return backward
