"""What the plans of tiled contractions have in common: blocks and tables, packed weights, and the task of the kernel."""

from functools import partial

import numpy as np

from ...runtime.machine import INPUT_BLOCK, WEIGHT_BLOCK
from ...runtime.memory import buffer, zeros
from ...runtime.task import Task
from ...shapes import ConvSpec
from ..arrays.blocks import blocks_of, clear
from ..arrays.long_sums import ONE_BLOCK, is_long, pieces_of, scratchpads
from ..epilogue.finish import finish_rows
from ..plan import Packed
from ..simd.vector import lanes_of
from .driver import MicroKernel, contraction_kernel
from .lowering import Contraction, lower_input_grad
from .pack import PACKING_FLOPS, pack_weights, pad_bias

LEAST_UNITS = 8
"""Where there are fewer blocks of lines, the outputs are shared out, too, so that there is work for many threads."""


class ContractionPlan:
    """One contraction with everything chosen, for flat arrays: an OutputPlan. `units` are independent of one another.

    Its kinds choose the tile in `fit`, which sets what is named here, and calls `cut`.
    """

    kind: str
    """The algorithm's name."""
    finishes = True
    rows: int
    vectors: int
    micro: MicroKernel
    geometry: np.ndarray
    scratch_size: int
    """Elements of the lines that a block of units reads, in their border of zeros; 0 if the kernel reads them where they stand."""

    def __init__(self, contraction: Contraction, dtype: np.dtype):
        self.contraction = c = contraction
        blocks = -(-len(c.x_lines) // max(1, INPUT_BLOCK // c.line_bytes(dtype.itemsize)))
        self.block = -(-len(c.x_lines) // blocks)
        self.flops = c.flops
        self.fit(dtype)
        self.kernel = contraction_kernel(self.kind, self.micro)
        self.name = f"{self.kind}_{dtype.name}_{self.micro.rows}x{self.micro.vectors}x{lanes_of(dtype)}"
        channels, summed = self.vectors * lanes_of(dtype), len(c.taps) * c.run
        self.weight_blocks = c.groups * -(-c.outputs // channels)
        self.packed_size = self.weight_blocks * channels * summed
        items = c.images * -(-len(c.x_lines) // self.block)
        most = max(1, WEIGHT_BLOCK // max(1, summed * dtype.itemsize * channels))
        parts, chunks = min(self.weight_blocks, -(-LEAST_UNITS // items)), -(-self.weight_blocks // most)
        if items * self.packed_size > chunks * c.images * c.x_image:  # reading the weights for each item takes longer
            parts = max(parts, chunks)
        self.units, self.shares = items * parts, (items, parts, min(-(-self.weight_blocks // parts), most) * channels)
        self.no_bias = zeros(self.weight_blocks * channels, dtype)
        self.scratch = partial(buffer, self.scratch_size, dtype) if self.scratch_size else buffer(0, dtype)

    def fit(self, dtype: np.dtype) -> None:
        """Choose the tile, with it the kernel, and the tables and the scratch, if any, that the kernel needs."""
        raise NotImplementedError

    def cut(self, run: int, terms: int, dtype: np.dtype, multiple: int = 1) -> None:
        """Cut runs into pieces where a tile's sums have many terms, and choose the room to put blocks aside."""
        long, taps = is_long(terms, dtype), len(self.contraction.taps)
        self.pieces = pieces_of(run, multiple) if long else (run, ONE_BLOCK)
        blocks = terms // (self.pieces[0] * self.pieces[1]) + taps if long else 0
        self.scratchpads = scratchpads(self.rows * self.vectors * lanes_of(dtype), blocks + 1, dtype)

    def pack(self, run, w):
        """Return the weights in the order in which the kernel reads them."""
        packed = buffer(self.packed_size, w.dtype)
        run(Task(pack_weights, (w, self.geometry, self.vectors, packed), self.weight_blocks, PACKING_FLOPS * len(packed)))
        return Packed(w, packed)

    def pad(self, run, bias):
        """Return the bias of every output that the kernel has, zero for those that fill up the last vectors."""
        if bias is None:
            return self.no_bias
        padded = buffer(len(self.no_bias), bias.dtype)
        run(Task(pad_bias, (bias, self.contraction.groups, padded), self.contraction.groups))
        return padded

    def __call__(self, run, x, w, bias, y, epilogue=None):
        kernel, finished = self.kernel, ()
        if epilogue is not None:
            kernel = contraction_kernel(self.kind, self.micro, finish_rows(epilogue.activation))
            finished = epilogue.arguments
        packed = w if isinstance(w, Packed) else self.pack(run, w)
        operands = x, packed.ordered, self.pad(run, bias), y
        arguments = *operands, self.scratch, *self.scratchpads, self.geometry, self.shares, self.pieces, finished
        run(Task(kernel, arguments, self.units, self.flops))


class PhasesPlan:
    """The input gradient, one contraction for each phase of the stride: an InputGradPlan."""

    def __init__(self, phase: type[ContractionPlan], spec: ConvSpec, dtype: np.dtype, filters_first: bool = False):
        self._phases = [phase(contraction, dtype) for contraction in lower_input_grad(spec, filters_first)]
        self._covered = all(k >= s for k, s in zip(spec.kernel, spec.stride, strict=True)) and max(spec.dilation) == 1
        self.name = self._phases[0].name if self._phases else "direct_empty"

    def __call__(self, run, dy, w, dx):
        if not self._covered:
            run(Task(clear, (dx,), blocks_of(dx), dx.size))  # the phases that no tap reaches
        for phase in self._phases:
            phase(run, dy, w, None, dx)
