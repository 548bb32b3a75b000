"""The rules of the house: what importing costs, who may import whom, and what no file may contain."""

import ast
import re
import sys
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path

import pytest

import fastconv

from .processes import ROOT, run_code

PACKAGE = Path(fastconv.__file__).parent
FILES = {path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", "."): path for path in sorted(PACKAGE.rglob("*.py"))}
MODULES = {name.removesuffix(".__init__") or "fastconv": path for name, path in FILES.items()}
MODULES["fastconv"] = MODULES.pop("__init__")

# A room (a folder, or a file), what it may import at its top, and what only inside functions, when it is needed.
# Everybody may import the standard library, and files of the same folder. The first row that fits counts; a module that fits none
# breaks the rules. No room imports one that stands above it, but for nn's own, of which each has files that others need.
MAY_IMPORT = [
    ("fastconv", "", ""),
    ("__main__", "cli", ""),
    ("cli", "commands", "fastconv"),
    ("commands", "numpy fastconv datasets files messages nn shapes", "numba llvmlite dropin functional kernels runtime"),
    ("testing", "numpy arrays shapes", ""),
    ("dropin", "numpy arrays functional kernels messages runtime shapes", ""),
    ("signal", "numpy arrays functional kernels.overlap runtime shapes", ""),
    ("nn.layers", "numpy engine shapes nn.options nn.initializers", ""),
    ("nn.files", "numpy files messages shapes nn", "safetensors"),
    ("nn", "numpy arrays engine files functional kernels messages runtime shapes", ""),
    ("engine", "numpy kernels runtime shapes", ""),
    ("functional", "numpy arrays kernels runtime shapes", ""),
    ("kernels.table", "numpy kernels runtime.machine shapes", ""),
    ("kernels.peak", "numpy kernels.simd runtime", ""),
    ("kernels.plane", "numpy numba llvmlite kernels.simd kernels.arrays runtime shapes", ""),
    ("kernels.overlap", "numpy kernels.simd runtime", ""),
    ("kernels.winograd", "numpy numba llvmlite kernels.simd kernels.arrays kernels.plan kernels.contraction runtime shapes", ""),
    ("kernels.depthwise", "numpy numba llvmlite kernels.simd kernels.arrays runtime shapes", ""),
    ("kernels.reference", "numpy kernels.arrays runtime shapes", ""),
    (
        "kernels.fused",
        "numpy numba llvmlite kernels.simd kernels.arrays kernels.contraction kernels.layers kernels.training runtime shapes",
        "",
    ),
    ("kernels.gemm", "numpy kernels.simd kernels.arrays kernels.plan kernels.contraction runtime shapes", ""),
    ("kernels.contraction", "numpy numba llvmlite kernels.simd kernels.arrays kernels.plan kernels.epilogue runtime shapes", ""),
    ("kernels.epilogue", "numpy kernels.simd kernels.arrays runtime", ""),
    ("kernels.layers", "numpy numba kernels.simd kernels.arrays kernels.training runtime shapes", ""),
    ("kernels.training", "numpy kernels.simd kernels.arrays runtime", ""),
    ("kernels.plan", "numpy runtime", ""),
    ("kernels.arrays", "numpy numba llvmlite kernels.simd runtime", ""),
    ("kernels.simd", "numba llvmlite runtime.jit runtime.machine", ""),
    ("kernels", "", ""),
    ("datasets", "numpy files shapes", "pooch PIL"),
    ("runtime", "numpy numba llvmlite files messages shapes", ""),
    ("files", "numpy", ""),
    ("messages", "", "tqdm"),
    ("arrays", "numpy shapes runtime.memory", ""),
    ("shapes", "numpy", ""),
]
WITHOUT_NUMBA = [
    "arrays",
    "cli",
    "commands",
    "commands.info",
    "commands.train_model",
    "commands.warmup",
    "datasets",
    "files",
    "messages.divergence",
    "messages.progress",
    "messages.waiting",
    "messages.warn",
    "runtime.cpus",
    "runtime.memory",
    "runtime.stamp",
    "runtime.threads",
    "shapes",
    "testing",
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
    top, later = [*row[1].split(), row[0]], row[2].split()
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
        ("kernels.layers.pool", "from ...functional import conv", ["kernels.layers.pool imports functional.conv at its top"]),
        ("kernels.layers.pool", "from ..plane.tile import x", ["kernels.layers.pool imports kernels.plane.tile at its top"]),
        ("kernels.layers.pool", "from ..simd.tile import x\nfrom .softmax import y", []),
        ("kernels.training.loss", "import numba", ["kernels.training.loss imports numba at its top"]),
        ("kernels.simd.tile", "import numba.core.types\nfrom numba import njit", []),
        ("datasets.npz", "def f():\n    import numba\n    import pooch", ["datasets.npz imports numba"]),
        ("datasets.sources", "import pooch", ["datasets.sources imports pooch at its top"]),
        (
            "commands.train_model",
            "if True:\n    from ..engine import epoch",
            ["commands.train_model imports engine.epoch at its top"],
        ),
        ("commands.train_model", "def f():\n    if True:\n        from ..runtime.jit import jit", []),
        ("functional", "from .conv import conv2d\nfrom ..dropin import ConvolutionLayer", ["functional imports dropin at its top"]),
        ("fastconv", "from .dropin import ConvolutionLayer", ["fastconv imports dropin at its top"]),
    ],
)
def test_the_check_of_imports_sees(module, code, expected):
    assert offences(module, ast.parse(code)) == expected


def test_every_row_is_needed_and_a_new_module_needs_one():
    rows = {next((row[0] for row in MAY_IMPORT if within(module, [row[0]])), None) for module in MODULES}
    assert rows == {row[0] for row in MAY_IMPORT}
    assert offences("filters", ast.parse("")) == ["filters is in no row of MAY_IMPORT"]


def circle(imported):
    """Return the modules of a circle of imports, if there is one, of those that each module imports."""
    done, way = set(), []

    def visit(module):
        if module in way:
            return way[way.index(module) :]
        if module in done:
            return []
        way.append(module)
        found = next(filter(None, map(visit, sorted(imported.get(module, ())))), [])
        way.pop()
        done.add(module)
        return found

    return next(filter(None, map(visit, imported)), [])


def test_no_modules_import_one_another_in_a_circle():
    """Not inside functions either, and not for types."""
    assert (
        circle({module: {name for _, name in imports(module, parse(path)) if name in MODULES} for module, path in MODULES.items()})
        == []
    )
    assert circle({"a": {"b"}, "b": {"c", "d"}, "c": {"d"}, "d": {"b"}}) == ["b", "c", "d"]


def test_no_room_imports_one_above_it():
    rooms = [room for room, _, _ in MAY_IMPORT]
    for place, (room, top, later) in enumerate(MAY_IMPORT):
        above = {*rooms[:place]} & {*top.split(), *later.split()} - {"fastconv"}
        assert {name for name in above if not (name + room).startswith("nn")} == set(), room


# What importing costs


def test_importing_fastconv_imports_no_numba_and_all_names_are_there():
    code = """
import sys
import fastconv
assert "numba" not in sys.modules and "fastconv.runtime.jit" not in sys.modules
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
    assert len(FILES[name].read_text(encoding="utf-8").splitlines()) <= 300
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
    assert users == ["runtime.jit"]


# What CONTRIBUTING says

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_every_file_that_it_names_is_there():
    named = set(re.findall(r"`([\w./]+\.py)`", CONTRIBUTING))
    there = [
        path.relative_to(ROOT).as_posix() for folder in ("fastconv", "tests", "bench") for path in (ROOT / folder).rglob("*.py")
    ]
    assert len(named) > 50
    assert [name for name in named if not any(f"/{path}".endswith(f"/{name}") for path in there)] == []


def test_it_says_of_every_test_file_what_is_tested_there():
    patterns = re.findall(r"`(test_[\w*]+\.py)`", CONTRIBUTING)
    tests = {path.name for path in (ROOT / "tests").glob("test_*.py")}
    assert {name for name in tests if not any(fnmatchcase(name, pattern) for pattern in patterns)} == set()
    assert [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in tests)] == []


def test_every_room_of_the_package_is_in_its_tables():
    rooms = [path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*") if (path / "__init__.py").is_file()]
    assert [
        room for room in rooms if f"`{room}/`" not in CONTRIBUTING and f"| `{room.rpartition('/')[2]}/` |" not in CONTRIBUTING
    ] == []


# What is shipped


def test_the_package_is_typed_and_has_one_version():
    assert (PACKAGE / "py.typed").is_file()
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", fastconv.__version__)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'dynamic = ["version"]' in project
    assert 'version = { attr = "fastconv.__version__" }' in project
    assert not re.search(r'^version = "', project, re.MULTILINE)
    for line in ('fastconv = ["py.typed", "*.pyi", "datasets/mnist/*"]', 'fastconv = "fastconv.cli:main"'):
        assert line in project


# The tests of a public module are in the file of its name, or in these.
TESTED_IN = {
    "commands.info": "test_cli",
    "commands.warmup": "test_cli",
    "datasets.cifar10": "test_datasets",
    "datasets.mnist": "test_datasets",
    "dropin.convolution": "test_layers",
    "dropin.functions": "test_notebook",
    "dropin.pooling": "test_layers",
    "dropin.softmax": "test_layers",
    "dropin.training_step": "test_notebook",
    "functional.avg_pool": "test_pool",
    "nn.layers.base": "test_nn_layers",
    "nn.layers.convolution": "test_nn_layers",
    "nn.layers.dense": "test_nn_layers",
    "nn.layers.normalization": "test_nn_layers",
    "nn.layers.pooling": "test_nn_layers",
    "nn.layers.regularization": "test_nn_layers",
    "nn.model": "test_nn",
    "nn.training.augmentation": "test_random",
    "nn.training.optimizers": "test_training_kernels",
    "nn.training.plateau": "test_callbacks",
    "nn.training.schedules": "test_fit_goes_on",
    "signal.convolution": "test_signal",
    "signal.images": "test_signal",
}
PUBLIC = ("fastconv", "fastconv.functional", "fastconv.signal", "fastconv.nn", "fastconv.datasets", "fastconv.testing")


def test_every_public_module_has_tests_where_its_name_says_or_the_table():
    found = [(module, name) for module in map(import_module, PUBLIC) for name in getattr(module, "__all__", vars(module))]
    public = {getattr(getattr(module, name), "__module__", None) or "" for module, name in found if not name.startswith("_")}
    public -= {"fastconv.arrays"}  # an option's type, which testing.py imports
    modules = sorted(name.removeprefix("fastconv.") for name in public if name.removeprefix("fastconv.") in MODULES)
    assert len(modules) > 30
    files = {module: TESTED_IN.get(module, f"test_{module.rpartition('.')[2]}") for module in modules}
    assert [module for module, name in files.items() if not (ROOT / "tests" / f"{name}.py").is_file()] == []
    assert {*TESTED_IN} <= {*modules}, "the table names what isn't public"
    for module in TESTED_IN:
        assert not (ROOT / "tests" / f"test_{module.rpartition('.')[2]}.py").is_file(), module


MOST_LINES = 40
LONGER = {"depthwise_weight_grad", "plane", "plane_weight_grad"}
"""Kernels that are still longer: this list only shrinks."""


def compiled_functions():
    """Yield the functions of the package that are compiled."""
    for path in MODULES.values():
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.FunctionDef) and {"jit", "inlined"} & {ast.unparse(each) for each in node.decorator_list}:
                yield node


def test_kernels_are_short():
    lengths = {node.name: node.end_lineno - node.lineno + 1 for node in compiled_functions()}
    assert {name for name, length in lengths.items() if length > MOST_LINES} == LONGER


def test_micro_kernels_are_shorter():
    """They say in their docstrings that they are the formula."""
    formulas = [node for node in compiled_functions() if (ast.get_docstring(node) or "").endswith("the formula.")]
    assert len(formulas) >= 8
    for node in formulas:
        assert node.end_lineno - node.body[1].lineno + 1 <= 15, node.name
