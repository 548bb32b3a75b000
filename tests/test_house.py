"""The rules of the house: what importing costs, who may import whom, and what no file may contain."""

import ast
import re
import sys
from pathlib import Path

import pytest

import fastconv

from .processes import ROOT, run_code

PACKAGE = Path(fastconv.__file__).parent
FILES = {path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", "."): path for path in sorted(PACKAGE.rglob("*.py"))}
MODULES = {name.removesuffix(".__init__") or "fastconv": path for name, path in FILES.items()}
MODULES["fastconv"] = MODULES.pop("__init__")

# A module or package, what it may import at its top, and what only inside functions, when it is needed.
# Everybody may import the standard library. The first row that fits counts; a module that fits none breaks the rules.
MAY_IMPORT = [
    ("fastconv", "", ""),
    ("__main__", "cli", ""),
    ("_arrays", "numpy runtime", ""),
    ("_cpus", "", ""),
    ("_divergence", "_warnings", ""),
    ("_info", "fastconv", "numpy numba llvmlite _cpus _jit _threads kernels.target kernels.table"),
    ("_jit", "numba llvmlite files _stamp _waiting", ""),
    ("_stamp", "", ""),
    ("_atomic", "numba llvmlite _jit", ""),
    ("_team", "numpy _atomic _jit kernels.call", ""),
    ("_threads", "shapes _cpus _team kernels.call", "_team"),
    ("_waiting", "", ""),
    ("_warnings", "", ""),
    ("_warmup", "numpy _waiting", "functional layers nn"),
    ("cli", "commands", "fastconv"),
    ("commands", "commands numpy nn", "fastconv numpy datasets files training nn _jit _threads"),
    ("datasets", "numpy datasets files shapes", "pooch PIL"),
    ("engine", "numpy engine functional kernels shapes _arrays _jit _team _threads runtime", ""),
    ("files", "numpy files", ""),
    ("functional", "numpy functional kernels shapes _arrays _threads runtime", ""),
    ("kernels.target", "numba", ""),
    ("kernels.simd", "numba llvmlite kernels.target", ""),
    ("kernels.call", "numpy numba llvmlite _jit", ""),
    ("kernels.block_sums", "numpy numba llvmlite kernels.simd kernels.pack runtime", ""),
    ("kernels.vector_math", "numba llvmlite kernels.simd", ""),
    ("kernels.tile", "numba llvmlite kernels.simd kernels.target", ""),
    ("kernels.tile_row", "numba llvmlite kernels.simd kernels.tile_top", ""),
    ("kernels.tile_top", "numba llvmlite _jit kernels.simd kernels.target kernels.tile", ""),
    ("kernels.tile_math", "numba llvmlite kernels.simd kernels.tile_top", ""),
    ("kernels.tile_slide", "numba llvmlite kernels.simd kernels.tile_top", ""),
    ("kernels.tile_plane", "numba llvmlite kernels.simd", ""),
    ("kernels.tile_transform", "numba llvmlite kernels.simd kernels.tile kernels.winograd_matrices", ""),
    ("kernels.segments", "numba llvmlite kernels.simd kernels.tile", ""),
    ("kernels", "numpy kernels shapes _jit runtime", ""),
    ("layers", "numpy layers functional shapes _arrays runtime", ""),
    ("nn", "numpy nn files engine functional kernels shapes progress _arrays _team _threads _warnings _divergence", "safetensors"),
    ("notebook", "numpy functional shapes _arrays", ""),
    ("notebook_training", "numpy layers functional shapes _arrays _divergence", ""),
    ("progress", "", "tqdm"),
    ("runtime", "numpy", ""),
    ("shapes", "numpy shapes", ""),
    ("signal", "numpy signal functional shapes _arrays", ""),
    ("testing", "numpy _arrays", ""),
    ("training", "numpy fastconv datasets files progress shapes", "numba nn _threads _waiting"),
]
WITHOUT_NUMBA = [
    "_arrays",
    "_cpus",
    "_divergence",
    "_info",
    "_stamp",
    "_threads",
    "_waiting",
    "_warmup",
    "_warnings",
    "cli",
    "commands",
    "datasets",
    "files",
    "progress",
    "runtime",
    "shapes",
    "testing",
    "training",
]


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def within(name, packages):
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def imports(module, tree):
    """Yield (done when the module is imported?, name) for each import, fastconv's own modules without the package's name."""
    package = module if MODULES[module].stem == "__init__" else module.rpartition(".")[0]
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    later = {id(node) for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield id(node) not in later, alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield id(node) not in later, resolve(package, node, alias.name)


def resolve(package, node, name):
    """Return what `from ... import name` imports: the module `name` itself, or the module that has it."""
    if not node.level:
        return node.module
    parts = [] if package in ("", "fastconv") else package.split(".")
    base = ".".join(parts[: len(parts) - node.level + 1] + (node.module or "").split(".")).strip(".")
    inner = f"{base}.{name}".strip(".")
    return inner if inner in MODULES else base or "fastconv"


def offences(module, tree):
    """Return the imports of a module that its row doesn't allow."""
    row = next((row for row in MAY_IMPORT if within(module, [row[0]])), None)
    if row is None:
        return [f"{module} is in no row of MAY_IMPORT"]
    top, later = row[1].split(), row[2].split()
    return [
        f"{module} imports {name}{' at its top' if at_top else ''}"
        for at_top, name in imports(module, tree)
        if name.partition(".")[0] not in sys.stdlib_module_names and not within(name, top if at_top else top + later)
    ]


@pytest.mark.parametrize("module", MODULES)
def test_modules_import_only_what_they_may(module):
    assert offences(module, parse(MODULES[module])) == []


@pytest.mark.parametrize(
    "module, code, expected",
    [
        ("shapes", "import numba", ["shapes imports numba at its top"]),
        ("kernels.pool", "from ..functional import conv", ["kernels.pool imports functional.conv at its top"]),
        ("kernels.pool", "from .. import _threads", ["kernels.pool imports _threads at its top"]),
        ("kernels.pool", "import numba", ["kernels.pool imports numba at its top"]),
        ("kernels.simd", "import numba.core.types\nfrom numba import njit", []),
        ("datasets.npz", "def f():\n    import numba\n    import pooch", ["datasets.npz imports numba"]),
        ("datasets.sources", "import pooch", ["datasets.sources imports pooch at its top"]),
        ("training", "if True:\n    from .engine import epoch", ["training imports engine.epoch at its top"]),
        ("training", "def f():\n    if True:\n        from .nn.model import Sequential", []),
        ("functional", "from .conv import conv2d\nfrom ..layers import ConvolutionLayer", ["functional imports layers at its top"]),
        ("fastconv", "from .layers import ConvolutionLayer", ["fastconv imports layers at its top"]),
    ],
)
def test_the_check_of_imports_sees(module, code, expected):
    assert offences(module, ast.parse(code)) == expected


def test_every_row_is_needed_and_a_new_module_needs_one():
    rows = {next((row[0] for row in MAY_IMPORT if within(module, [row[0]])), None) for module in MODULES}
    assert rows == {row[0] for row in MAY_IMPORT}
    assert offences("filters", ast.parse("")) == ["filters is in no row of MAY_IMPORT"]


# What importing costs


def test_importing_fastconv_imports_no_numba_and_all_names_are_there():
    code = """
import sys
import fastconv
assert "numba" not in sys.modules and "fastconv._jit" not in sys.modules
for name in sys.argv[1:]:
    __import__(f"fastconv.{name}")
    assert "numba" not in sys.modules, name
from numba.core import event
with event.install_recorder("numba:compile") as recorder:
    missing = [name for name in fastconv.__all__ if getattr(fastconv, name, None) is None]
print(missing, len(recorder.buffer), set(fastconv.__all__) - set(dir(fastconv)))
"""
    assert run_code(code, *WITHOUT_NUMBA) == "[] 0 set()\n"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="^module 'fastconv' has no attribute 'conv_4d'$"):
        fastconv.conv_4d  # noqa: B018  # reading it is the test


def test_all_names_are_different():
    assert len(fastconv.__all__) == len(set(fastconv.__all__)) > 30


# What no file may contain


def faults(tree):
    """Return the constructs in a file that the package does without: see the test below."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            found += [name for name in names if name.split(".")[0] in ("pickle", "dill", "joblib", "marshal", "shelve")]
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in ("exec", "eval", "compile"):
                found.append(node.func.id)
            for keyword in node.keywords:
                value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
                if keyword.arg in ("parallel", "fastmath", "allow_pickle", "shell") and value is not None and value is not False:
                    found.append(f"{keyword.arg}={value}")
    return found


@pytest.mark.parametrize("name", FILES)
def test_files_are_short_documented_and_do_nothing_risky(name):
    tree = parse(FILES[name])
    assert ast.get_docstring(tree)
    assert len(FILES[name].read_text(encoding="utf-8").splitlines()) < 400
    assert faults(tree) == []


@pytest.mark.parametrize(
    "code, expected",
    [
        ("import pickle", ["pickle"]),
        ("from pickle import loads", ["pickle"]),
        ("exec('1')", ["exec"]),
        ("x = eval(y)", ["eval"]),
        ("@njit(parallel=True, fastmath=True)\ndef f(): pass", ["parallel=True", "fastmath=True"]),
        ("np.load(f, allow_pickle=True)", ["allow_pickle=True"]),
        ("np.load(f, allow_pickle=False)\nnjit(fastmath={'contract'}, parallel=False)\nmodel.eval()", []),
    ],
)
def test_the_check_of_constructs_sees(code, expected):
    assert faults(ast.parse(code)) == expected


def test_only_the_compiler_module_reads_serialised_code():
    users = [name for name, path in FILES.items() if "cloudpickle" in path.read_text(encoding="utf-8")]
    assert users == ["_jit"]


# What is shipped


def test_the_package_is_typed_and_has_one_version():
    assert (PACKAGE / "py.typed").is_file()
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", fastconv.__version__)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'dynamic = ["version"]' in project
    assert 'version = { attr = "fastconv.__version__" }' in project
    assert not re.search(r'^version = "', project, re.MULTILINE)
    for line in ('fastconv = ["py.typed", "datasets/mnist/*"]', 'fastconv = "fastconv.cli:main"'):
        assert line in project
