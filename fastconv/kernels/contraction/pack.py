"""Copies that put a kernel's operands in order: images into a border of zeros, weights into blocks of vectors, and back."""

from ...runtime.jit import jit
from ..simd.tile_math import copy_transposed
from ..simd.vector import lanes, vadd, vload, vload_part, vstore
from .geometry import read_geometry

PACKING_FLOPS = 8
"""An element that is packed takes the time of about so many floating-point operations."""


@jit
def pad_rows(x, origin, rows, first, last, left, width, right, scratch):
    """Copy the padded rows first..last of the image at x[origin] into scratch, `width` elements each between zeros.

    rows[r] is where padded row r starts in the image, or -1 for a row of zeros.
    """
    at = 0
    for r in range(first, last):
        source = rows[r]
        if source < 0:
            scratch[at : at + left + width + right] = 0
        else:
            scratch[at : at + left] = 0
            whole = width // lanes(x) * lanes(x)
            for i in range(0, whole, lanes(x)):
                vstore(scratch, at + left + i, vload(x, origin + source + i))
            for i in range(whole, width):
                scratch[at + left + i] = x[origin + source + i]
            scratch[at + left + width : at + left + width + right] = 0
        at += left + width + right


@jit
def copy_pixels(x, first, last, image_step, lines, count, step, start, width, copied, pitch):
    """Copy elements start..start + width of the pixels first..last, counted over all images, to copied, `pitch` apart.

    The lines of an image start at lines[...] and hold `count` pixels, `step` apart. Of `copied`, whole vectors are written.
    """
    whole, at, pixel = width // lanes(x) * lanes(x), 0, first
    while pixel < last:
        line, i = pixel // count, pixel % count
        here = min(count - i, last - pixel)
        source = line // len(lines) * image_step + lines[line % len(lines)] + i * step + start
        for _ in range(here):
            for c in range(0, whole, lanes(x)):
                vstore(copied, at + c, vload(x, source + c))
            if whole < width:
                vstore(copied, at + whole, vload_part(x, source + whole, width - whole))
            source += step
            at += pitch
        pixel += here


@jit
def pad_bias(bias, groups, padded, start, stop):
    """Write each group's part of the bias to a group's part of padded, zeros behind it; units are groups."""
    outputs, room = len(bias) // groups, len(padded) // groups
    for group in range(start, stop):
        for o in range(outputs):
            padded[group * room + o] = bias[group * outputs + o]
        padded[group * room + outputs : (group + 1) * room] = 0


@jit
def pack_weights(w, geometry, vectors, packed, start, stop):
    """Write w as packed[group][output block][tap][run][vectors x lanes], zeros behind the last output; units are output blocks.

    taps[t] is where tap t's weights start in w; along the run and the outputs they are run_step and output_step apart.
    """
    g = read_geometry(geometry)
    taps, run, run_step, outputs, output_step = g.w_taps, g.w_run, g.w_run_step, g.outputs, g.w_output_step
    block = vectors * lanes(w)
    blocks = (outputs + block - 1) // block
    for unit in range(start, stop):
        group, first, at = unit // blocks, unit % blocks * block, unit * len(taps) * run * block
        filled = min(block, outputs - first)
        for tap in taps:
            source = group * g.w_group + tap + first * output_step
            square = run // lanes(w) * lanes(w) if run_step == 1 and filled == block else 0
            for c in range(0, square, lanes(w)):
                for o in range(0, block, lanes(w)):
                    copy_transposed(w, source + c + o * output_step, output_step, packed, at + c * block + o, block)
            for c in range(square, run):
                if output_step == 1 and filled == block:
                    for o in range(0, block, lanes(w)):
                        vstore(packed, at + c * block + o, vload(w, source + c * run_step + o))
                else:
                    for o in range(filled):
                        packed[at + c * block + o] = w[source + c * run_step + o * output_step]
                    packed[at + c * block + filled : at + (c + 1) * block] = 0
            at += run * block


@jit
def unpack_weight_grad(parts, part_count, rows, tile_run, geometry, vectors, dw, start, stop):
    """Sum the partial weight gradients in their order and write them where pack_weights read the weights; units are output blocks.

    A part is [group][output block][tile_run's tap][tile][row][vectors x lanes]; a tile_run is one or more taps' runs in a row,
    and its last tile starts early enough to end with it, so that some rows stand in two tiles, with the same values.
    """
    g = read_geometry(geometry)
    taps, run, run_step, outputs, output_step = g.w_taps, g.w_run, g.w_run_step, g.outputs, g.w_output_step
    block = vectors * lanes(parts)
    blocks, tiles = (outputs + block - 1) // block, (tile_run + rows - 1) // rows
    part_size = len(parts) // part_count
    for unit in range(start, stop):
        group, first = unit // blocks, unit % blocks * block
        for t in range(len(taps)):
            for c in range(run):
                flat = t * run + c
                long_tap, k = flat // tile_run, flat % tile_run
                tile = min(k // rows, tiles - 1)
                row = k - min(tile * rows, tile_run - rows)
                at = ((unit * (len(taps) * run // tile_run) + long_tap) * tiles + tile) * rows + row
                target = group * g.w_group + taps[t] + c * run_step + first * output_step
                filled = min(block, outputs - first)
                whole = filled // lanes(parts) * lanes(parts) if output_step == 1 else 0
                for o in range(0, whole, lanes(parts)):
                    sums = vload(parts, at * block + o)
                    for part in range(1, part_count):
                        sums = vadd(sums, vload(parts, part * part_size + at * block + o))
                    vstore(dw, target + o, sums)
                for o in range(whole, filled):
                    total = parts[at * block + o]
                    for part in range(1, part_count):
                        total += parts[part * part_size + at * block + o]
                    dw[target + o * output_step] = total
