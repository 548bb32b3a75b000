"""The house: who may import whom, what importing costs, how files look."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fastconv

PACKAGE = Path(fastconv.__file__).parent
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))

# module (or folder): what it may import when it is loaded, of the package and of others; the standard library always.
# The first row that matches counts.
MAY_IMPORT = {
    "__init__.py": set(),
    "__main__.py": {"cli"},
    "shapes.py": set(),
    "_jit.py": {"numba", "llvmlite"},
    "_arrays.py": {"numpy"},
    "_threads.py": {"shapes"},
    "kernels/simd.py": {"numba", "llvmlite"},
    "kernels/tile.py": {"numba", "llvmlite", "kernels/simd"},
    "kernels/": {"_jit", "shapes", "kernels", "numpy"},
    "functional/": {"_arrays", "_threads", "shapes", "kernels", "functional", "numpy"},
    "layers/": {"_arrays", "shapes", "functional", "layers", "numpy"},
    "notebook.py": {"_arrays", "shapes", "functional", "numpy"},
    "notebook_training.py": {"_arrays", "shapes", "layers", "numpy"},
    "engine/": {"_jit", "shapes", "kernels", "functional", "engine", "numpy"},
    "datasets/": {"datasets", "numpy"},
    "progress.py": set(),
    "training.py": {"fastconv", "datasets", "progress", "shapes", "numpy"},
    "cli.py": set(),
    "_info.py": {"fastconv"},
    "_warmup.py": {"numpy"},
}


def imports_at_load(module: str) -> set[str]:
    """Return what a module imports at its top level: the package's modules by their path without .py, others by their name."""
    found = set()
    here = Path(module).parent
    for node in ast.parse((PACKAGE / module).read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.partition(".")[0])
        elif isinstance(node, ast.ImportFrom):
            base = here
            for _ in range(node.level - 1):
                base = base.parent
            names = [node.module.replace(".", "/")] if node.module else [alias.name for alias in node.names]
            for name in names:
                path = (base / name).as_posix()
                exists = (PACKAGE / path).is_dir() or (PACKAGE / f"{path}.py").exists()
                found.add(path if exists else (base.as_posix() if base != Path() else "fastconv"))
    return {name for name in found if name not in sys.stdlib_module_names}


@pytest.mark.parametrize("module", MODULES)
def test_who_may_import_whom(module):
    allowed = next(
        (allowed for row, allowed in MAY_IMPORT.items() if module == row or (row[-1] == "/" and module.startswith(row))), None
    )
    assert allowed is not None, f"{module} has no row in MAY_IMPORT"
    stray = {name for name in imports_at_load(module) if not {name, name.partition("/")[0]} & allowed}
    assert not stray, f"{module} may import {allowed}, but imports {stray}"


def test_the_import_reader_sees_imports():
    """What the test above relies on."""
    assert imports_at_load("kernels/tile.py") == {"numba", "llvmlite", "kernels/simd"}
    assert {"functional", "_jit", "kernels/tile", "numpy"} <= imports_at_load("engine/online.py")
    assert imports_at_load("functional/conv.py") >= {"_threads", "functional/layout", "kernels/table"}


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    "statement", ["import fastconv", "import fastconv.datasets", "import fastconv.cli", "import fastconv.training"]
)
def test_imports_without_numba(statement):
    assert run(f"import sys; {statement}; print('numba' in sys.modules, 'llvmlite' in sys.modules)") == "False False\n"


def test_importing_everything_compiles_nothing():
    code = """
import fastconv, fastconv.functional, fastconv.layers, fastconv.engine.online
from numba.core import event
with event.install_recorder("numba:compile") as compiled:
    for name in fastconv.__all__:
        getattr(fastconv, name)
print(len(compiled.buffer))
"""
    assert run(code) == "0\n"


def test_public_names():
    assert all(getattr(fastconv, name) is not None for name in fastconv.__all__)
    assert set(fastconv.__all__) <= set(dir(fastconv))
    with pytest.raises(AttributeError, match="module 'fastconv' has no attribute 'conv4d'"):
        fastconv.conv4d  # noqa: B018  # reading it is the test


@pytest.mark.parametrize("module", MODULES)
def test_files_hold_one_idea(module):
    text = (PACKAGE / module).read_text()
    assert ast.get_docstring(ast.parse(text)), f"{module} opens with no docstring"
    assert text.count("\n") <= 400, f"{module} has outgrown one idea"
    forbidden = r"parallel\s*=\s*True|fastmath\s*=\s*True|allow_pickle\s*=\s*True|import pickle|\bexec\(|(?<![\w.])eval\("
    assert not re.search(forbidden, text), f"{module} holds {re.search(forbidden, text)[0]}"


def test_typed_and_versioned():
    assert (PACKAGE / "py.typed").exists()
    assert re.fullmatch(r"\d+\.\d+\.\d+", fastconv.__version__)
