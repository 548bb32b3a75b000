"""The kernels of training against their loop twins."""

import numpy as np
import pytest

from .training_checks import CHECKS


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_kernels(check, dtype):
    assert check(np.dtype(dtype).type, np.copy) > 0
