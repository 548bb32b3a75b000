"""What checks ask of a network: they need no more of it, and know no more."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..shapes import Ints


class Shaped(Protocol):
    """Has the shapes of its input and of each layer's result, a float type, and what its user has been warned of."""

    shapes: list[Ints]
    dtype: np.dtype
    warned: set[tuple]
