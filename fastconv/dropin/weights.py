"""What the layers with weights share: how they were drawn, and of which float type they are."""

from __future__ import annotations

from typing import Any

from ..arrays import FLOAT64
from .checks import check_dtype, check_init


class LayerWithWeights:
    """A layer's name for errors, and the two options that all layers with weights have."""

    def __init__(self, init: str, dtype: Any):
        self._name = type(self).__name__
        check_init(self._name, init)
        self._init, self._dtype = init, check_dtype(self._name, dtype)

    def _options(self, init: str) -> dict[str, Any]:
        """Return the options for `repr`, None for those that are as usual, the draw `init` being so."""
        return {
            "init": None if self._init == init else self._init,
            "dtype": None if self._dtype is FLOAT64 else self._dtype.name,
        }
