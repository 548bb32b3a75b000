"""What `python -m tests.aarch64` relies on: its comparison can fail, and this CPU be taken for one with NEON's vectors."""

import platform

import numpy as np
import pytest

from .aarch64 import results, root
from .processes import run_code

ONE = {"a": np.ones(3, np.float32), results.ANY_CPU + "b": np.ones(3, np.float32), "c": np.ones(3)}


def changed(name, **values):
    return {**ONE, name: np.array([1, 1, 1 + values["by"]], ONE[name].dtype)}


def test_the_same_bits_are_no_difference():
    assert results.differences(ONE, dict(ONE), dict(ONE)) == []
    assert results.differences(ONE, dict(ONE), changed("a", by=5e-6)) == []


@pytest.mark.parametrize(
    ("neon", "native", "text"),
    [
        (changed("a", by=2e-7), ONE, "a: other bits than those of this CPU taken for one with NEON's vectors"),
        ({**ONE, "c": np.ones(3, np.float32)}, ONE, "c: other bits than those of this CPU taken"),
        (ONE, changed("a", by=2e-5), "a: more than 1.0e-05 from this CPU's"),
        (ONE, changed("a", by=np.nan), "a: more than 1.0e-05 from this CPU's"),
        (ONE, changed("c", by=1e-12), "c: more than 1.0e-13 from this CPU's"),
        (ONE, changed(results.ANY_CPU + "b", by=2e-7), "on any CPU: b: other bits than this CPU's"),
        ({"a": ONE["a"]}, ONE, "not all have the same results"),
    ],
    ids=str,
)
def test_differences_are_found(neon, native, text):
    (found,) = results.differences(ONE, neon, native)
    assert found.startswith(text)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="others have no such vectors, or have them")
def test_this_cpu_may_be_taken_for_one_with_neons_vectors(tmp_path):
    code = """
import numpy as np
from tests.aarch64.results import take_for_neon
take_for_neon()
from fastconv.functional import relu
from fastconv.runtime.machine import REGISTERS, VECTOR_BYTES
print(VECTOR_BYTES, REGISTERS, relu(np.array([-1.0, 2.0])))
"""
    printed = run_code(code, NUMBA_CPU_NAME="haswell", NUMBA_CPU_FEATURES="+avx2,+fma", FASTCONV_CACHE_DIR=tmp_path)
    assert printed == "16 32 [0. 2.]\n"


def test_where_it_cant_be_run_it_says_why(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(RuntimeError, match="^it takes x86-64 Linux, but this is riscv64 "):
        root.make()
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(root.sys, "platform", "linux")
    monkeypatch.setattr(root, "NEEDED", ("apt-get-of-nobody", "dpkg-deb-of-nobody"))
    with pytest.raises(RuntimeError, match="there is no apt-get-of-nobody and no dpkg-deb-of-nobody$"):
        root.make()
