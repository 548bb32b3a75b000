"""The README's Python, as it stands, from top to bottom in one namespace; and what it tells to install."""

import ast
import re
import textwrap
import warnings

import numpy as np
import pytest

from .processes import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def readme(tmp_path_factory):
    """All blocks, run one after the other in an empty folder: what they have defined."""
    names, state = {"__name__": "__main__"}, np.random.get_state()
    np.random.seed(0)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.chdir(tmp_path_factory.mktemp("readme"))
        warnings.simplefilter("error")
        for number, block in enumerate(BLOCKS, 1):
            exec(compile(block, f"README.md, Python block {number}", "exec"), names)
    np.random.set_state(state)
    return names


def test_every_block_is_run():
    assert len(BLOCKS) == README.count("```python") >= 8
    assert README.count("```") == 2 * (len(BLOCKS) + README.count("```bash"))


@pytest.mark.slow
def test_the_loop_learns(readme):
    losses = readme["losses"]
    assert len(losses) == 3000
    assert np.mean(losses[:100]) > 1.5 > 0.6 > np.mean(losses[-100:])


@pytest.mark.slow
def test_the_network_learns(readme):
    found = readme["model"].evaluate(readme["x_test"], readme["y_test"])
    assert found["accuracy"] > 0.98
    assert readme["history"]["loss"][1] < readme["history"]["loss"][0]
    np.testing.assert_array_equal(readme["probabilities"], readme["model"].predict(readme["x_test"][:5]))


@pytest.mark.slow
def test_the_other_blocks_compute(readme):
    assert readme["y"].shape == (64, 26, 26, 64)
    assert readme["dx"].shape == readme["x"].shape and readme["dw"].shape == readme["w"].shape
    np.testing.assert_allclose(readme["conv"].kernels, readme["weights"]["0.kernel"][:, :, 0].transpose(2, 0, 1))


@pytest.mark.slow
def test_the_networks_weights_do_the_same_in_the_notebooks_layers(readme):
    conv, pool, dense, images = (readme[name] for name in ("conv", "pool", "dense", "x_test"))
    assert conv.kernels.shape == (16, 3, 3) and conv.kernels.dtype == float
    expected = [dense.forward_prop(pool.forward_prop(conv.forward_prop(image / 255))) for image in images[:20]]
    np.testing.assert_allclose(readme["network"].predict(images[:20]), expected, rtol=0, atol=1e-6)


def test_what_it_tells_to_install_can_be_installed_before_there_is_a_release():
    texts = {path: path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *ROOT.glob("fastconv/**/*.py")]}
    told = {(path.name, what) for path, text in texts.items() for what in re.findall(r"pip install[^\n`]*fastconv\[[^\n`]*", text)}
    assert told == set()
    assert all(re.search(r"pip install .*'\.\[\w+\]'", block) for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL))


MICRO_KERNELS = {
    "contraction/direct.py": "add_run",
    "contraction/narrow.py": "add_row",
    "contraction/dot.py": "add_run",
    "contraction/direct_weight_grad.py": "add_pixels",
    "gemm/product.py": "add_terms",
}


@pytest.mark.parametrize("file", MICRO_KERNELS)
def test_it_prints_micro_kernels_as_they_stand_in_the_source(file):
    source = (ROOT / "fastconv" / "kernels" / file).read_text(encoding="utf-8")
    names = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef) and node.name == MICRO_KERNELS[file])
    text = textwrap.dedent("\n".join(source.splitlines()[(function := next(names)).lineno - 1 : function.end_lineno]))
    printed = README.partition(f"`{file}`")[2].partition(f"def {MICRO_KERNELS[file]}(")
    assert f"def {MICRO_KERNELS[file]}({printed[2]}".startswith(textwrap.indent(text, "    ").strip() + "\n\n")
