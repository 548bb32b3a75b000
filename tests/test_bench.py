"""The benchmarks run, check what they time, and fill the README; each peer that is installed computes the same convolutions."""

import json
from importlib.util import find_spec

import numba
import pytest
from llvmlite.binding import get_host_cpu_features

from bench import isa, kernel_times, plot, readme, run, timing
from bench.peers import PEERS
from bench.shapes import DEFAULT, SHAPES, Layer, label, spec_of

from .processes import run_code, run_python


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """What one group gives without PyTorch, in a process of its own, and what was printed."""
    path = tmp_path_factory.mktemp("bench") / "figures.json"
    done = run_python("-m", "bench.run", "basic", "--rounds", "2", "--peers", "none", "--json", path)
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text()), done.stdout


def with_peers(figures):
    """Return the figures as if PyTorch and NumPy had taken part, each at its own speed."""
    facts, records = dict(figures["machine"]), [{**record} for record in figures["records"]]
    for number, record in enumerate(records):
        mine = record["gflops"]["fastconv"]
        record["gflops"] = {"fastconv": mine, "torch NCHW": mine / 4, "torch channels_last": mine / 2, "numpy": mine / 8}
        record |= {
            "best_torch": "torch channels_last",
            "ratio": 2.0 + number,
            "best_peer": "torch channels_last",
            "ratio_to_best": 2.0,
        }
    facts |= {"ratio": run.means(records, "ratio"), "ratio_to_best": run.means(records, "ratio_to_best")}
    return {"machine": facts, "records": records}


def test_layers_have_names_of_their_own_and_work_worth_timing():
    layers = [layer for group in SHAPES.values() for layer in group]
    assert len({label(layer) for layer in layers}) == len(layers)
    assert min(spec_of(layer).flops for layer in layers) > 10**6
    assert set(DEFAULT) < set(SHAPES)
    assert {len(spec_of(layer).size) for layer in layers} == {1, 2, 3}


def test_a_layers_name_tells_all_of_it():
    layer = Layer(2, (32, 100), 8, 16, 3, (2, 1), (0, 1), 4, 2)
    assert label(layer) == "2x32x100x8 -> 16, 3x3 /2x1 +0x1 dilated 2 4 groups"
    spec = spec_of(layer)
    assert (spec.input_shape, spec.weight_shape, spec.outputs) == ((2, 32, 100, 8), (3, 3, 2, 16), (14, 98))
    assert (spec.stride, spec.pads, spec.dilation) == ((2, 1), ((0, 0), (1, 1)), (2, 2))
    assert label(Layer(1, 9, 4, 4, 5, groups=4)) == "1x9x9x4 -> 4, 5x5 depthwise"
    assert label(Layer(1, (9,), 4, 6, 5)) == "1x9x4 -> 6, 5" and label(Layer(1, (5, 6, 7), 1, 1, 2)) == "1x5x6x7x1 -> 1, 2x2x2"


def test_the_records(figures):
    facts, records = figures[0]["machine"], figures[0]["records"]
    assert [record["shape"] for record in records[::3]] == [label(layer) for layer in SHAPES["basic"]]
    assert (facts["peers"], facts["left_out"], facts["threads"]) == ({}, [], 1)
    for record, operation in zip(records, 2 * run.OPERATIONS):
        spec = spec_of(SHAPES["basic"][0 if record["shape"] == records[0]["shape"] else 1])
        assert (record["operation"], record["gflop"]) == (operation, spec.flops / 1e9)
        assert 0 < record["median_gflops"]["fastconv"] <= record["gflops"]["fastconv"]
        assert record["roofline"] == min(facts["peak"], facts["bandwidth"] * 1e9 * record["gflop"] / record["bytes"])
        assert record["share_of_roofline"] == record["gflops"]["fastconv"] / record["roofline"]
        assert record["ratio"] is record["best_peer"] is None
    assert f"| {records[0]['shape']}" in figures[1] and "of roofline" in figures[1]


def test_the_bytes_are_those_of_input_weights_and_output(figures):
    assert figures[0]["records"][0]["bytes"] == 4 * (32 * 32 * 16 + 3 * 3 * 16 * 16 + 32 * 32 * 16)


def test_the_means_of_the_ratios():
    records = [
        {"operation": "output", "ratio": 2.0},
        {"operation": "output", "ratio": 8.0},
        {"operation": "input_grad", "ratio": 0.5},
    ]
    found = run.means([*records, {"operation": "weight_grad", "ratio": None}], "ratio")
    assert found == {
        "all": {"mean": pytest.approx(2), "least": 0.5},
        "output": {"mean": pytest.approx(4), "least": 2},
        "input_grad": {"mean": pytest.approx(0.5), "least": 0.5},
    }


def test_the_best_peer_is_the_one_with_the_least_median():
    seconds = {"fastconv": [1.0, 2.0, 1.0], "a": [3.0, 3.0, 3.0], "b": [9.0, 2.0, 2.0], "c": [2.5, 4.0]}
    assert run.against(["a", "b", "c"], seconds) == ("b", 2.0)
    assert run.against(["c"], seconds) == ("c", 2.25)
    assert run.against([], seconds) == (None, None)


def test_a_slow_call_is_timed_twice_only(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])

    def call(seconds):
        def run():
            clock[0] += seconds

        return run

    seconds = timing.interleaved({"fast": call(0.001), "as fast": call(0.019), "slow": call(0.021)}, 5)
    assert {name: len(times) for name, times in seconds.items()} == {"fast": 5, "as fast": 5, "slow": 2}
    assert seconds["slow"] == pytest.approx([0.021] * 2) and seconds["fast"] == pytest.approx([0.001] * 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mnist", "all"], "but ['all'] are not"),
        (["everything"], r"groups must be of ['basic', "),
        (
            ["--peers", "torch,keras"],
            "--peers must be of ['torch', 'jax', 'onnxruntime', 'openvino', 'numpy'], but ['keras'] are not",
        ),
    ],
)
def test_what_the_benchmark_refuses(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench.run", *arguments])
    with pytest.raises(SystemExit):
        run.main()
    assert message in capsys.readouterr().err


PEER = """
import sys
import numpy as np
from bench import peers, run
from fastconv.shapes import conv_spec
name = sys.argv[1]
peers.hold_threads(1)
cases = [((2, 7, 9, 3), (3, 2, 3, 4), 1, 0), ((2, 8, 9, 4), (3, 3, 4, 5), 2, 1), ((1, 9, 9, 2), (2, 2, 2, 3), 3, 0)]
cases += [((2, 7, 6, 4), (3, 3, 2, 6), 1, 1, 1, 2), ((1, 7, 8, 5), (3, 3, 1, 5), 2, 1, 1, 5), ((1, 8, 9, 2), (3, 2, 2, 3), 1, 2, 2)]
cases += [((2, 9, 3), (4, 3, 2), (2,), 1), ((1, 5, 6, 7, 2), (2, 3, 1, 2, 3), (1, 2, 1), (1, 1, 0))]
done = []
for case in cases:
    spec = conv_spec("test", *case)
    x, w, dy = arrays = peers.arrays_of(spec, "float32")
    expected = {operation: call("generic") for operation, call in run.our_calls(spec, x, w, dy).items()}
    for operation, calls in peers.all_calls([name], spec, arrays, 1).items():
        for call in calls.values():
            np.testing.assert_allclose(np.asarray(call()), expected[operation], rtol=0, atol=1e-4)
            done.append(operation)
found, left_out = peers.find([name], "float32", 1)
assert list(found) == [name] and not left_out, left_out
print(*(done.count(operation) for operation in peers.OPERATIONS))
"""


@pytest.mark.parametrize(
    ("name", "counts"),
    [("torch", (16, 16, 16)), ("jax", (8, 8, 8)), ("onnxruntime", (8, 0, 0)), ("openvino", (8, 0, 0)), ("numpy", (5, 5, 5))],
)
def test_a_peer_computes_the_same(name, counts):
    missing = [module for module in PEERS[name].modules if find_spec(module) is None]
    if missing:
        pytest.skip(f"{missing} not installed")
    assert tuple(map(int, run_code(PEER, name).split())) == counts


def test_peers_that_cant_take_part_are_named(monkeypatch):
    from bench import peers

    def refuse(*arguments):
        raise peers.LeftOutError("has no convolution of float64")

    monkeypatch.setitem(PEERS, "absent", peers.Peer(("no_such_module",), "no-such-package", refuse))
    monkeypatch.setitem(PEERS, "single", peers.Peer((), "", refuse))
    monkeypatch.setitem(PEERS, "greedy", peers.Peer((), "", lambda *arguments: {"output": {}}))
    monkeypatch.setattr(peers, "probe", lambda calls: (1.9, 10.0))
    found, left_out = peers.find(["absent", "single", "greedy"], "float64", 1)
    assert found == {}
    assert left_out == [
        "absent: pip install no-such-package",
        "single: has no convolution of float64",
        "greedy: used 1.9 CPUs where 1 was asked for",
    ]
    monkeypatch.setattr(peers, "probe", lambda calls: (1.0, 222.0))
    monkeypatch.setattr(peers, "fma_peak", lambda dtype: 135.0)
    monkeypatch.setitem(isa.ISAS["avx2"], "greedy", {})
    assert peers.find(["single", "greedy"], "float32", 1, "avx2") == (
        {},
        [
            "single: has no setting that holds its convolutions to avx2",
            "greedy: isn't held to avx2: 222 GFLOP/s where its peak is 135",
        ],
    )


def test_all_are_held_to_an_instruction_set(tmp_path):
    if not get_host_cpu_features().get("avx2"):
        pytest.skip("this CPU has no AVX2")
    path = tmp_path / "figures.json"
    arguments = ("-m", "bench.run", "basic", "--rounds", "1", "--peers", "numpy,onnxruntime", "--isa", "avx2", "--json", path)
    done = run_python(*arguments, NUMBA_CPU_NAME=None, NUMBA_CPU_FEATURES=None)
    assert done.returncode == 0, done.stderr
    facts = json.loads(path.read_text())["machine"]
    wanted = {name: value for settings in isa.ISAS["avx2"].values() for name, value in settings.items()}
    assert (facts["isa"], facts["vector_bytes"]) == ("avx2", 32) and wanted.items() <= facts["environment"].items()
    assert any(reason.startswith("onnxruntime: ") for reason in facts["left_out"])
    assert "'ONEDNN_MAX_CPU_ISA': 'AVX2'" in done.stdout


def test_an_instruction_set_that_the_cpu_lacks(monkeypatch, capsys):
    monkeypatch.setitem(isa.ISAS, "avx9", {"fastconv": {"NUMBA_CPU_NAME": "future"}})
    monkeypatch.setattr("sys.argv", ["bench.run", "--isa", "avx9"])
    with pytest.raises(SystemExit):
        run.main()
    assert "--isa avx9: this CPU doesn't have it" in capsys.readouterr().err


# The picture and the README


def test_the_picture(figures, tmp_path):
    pytest.importorskip("matplotlib")
    for name, drawn in (("with.png", with_peers(figures[0])), ("without.svg", figures[0])):
        plot.draw(drawn["machine"], drawn["records"], str(tmp_path / name))
    assert (tmp_path / "with.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "without.svg").read_text()


def test_what_the_picture_needs(monkeypatch):
    monkeypatch.setattr(plot, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"^the picture needs matplotlib: pip install matplotlib$"):
        plot.draw({}, [], "picture.png")


def test_the_readmes_section(figures):
    known = with_peers(figures[0])
    for record, speed in zip(known["records"], (100, 20, 30, 4, 5, 6)):
        record["gflops"] = {"fastconv": speed, "torch NCHW": speed / 2, "torch channels_last": speed / 4, "numpy": speed / 10}
    lines = readme.kernels(known).splitlines()
    assert lines[-2] == "| 1x32x32x16 -> 16, 3x3 +1 | 100 | 50 | 2.00 | 20 | 10 | 3.00 | 30 | 15 | 4.00 |"
    text = "\n".join(lines)
    assert "Geometric mean 4.14 (output 3.16, input gradient 4.24, weight gradient 5.29), least 2.00." in text
    assert (
        "10 times NumPy (sliding_window_view and tensordot)'s (10 to 10; 6 of 6 cases). To the best of all: 2.00, least 2.00."
        in text
    )


def test_the_readme_is_filled(figures, tmp_path, monkeypatch):
    path = tmp_path / "README.md"
    path.write_text("".join(f"<!-- {name} -->\nold\n<!-- /{name} -->\n" for name in ("dropin", "kernels", "start")))
    steps = {form: {"whole step": 1.0} for form in ("Python", "NumPy", "fastconv")}
    seconds = {form: 1.0 for form in steps}
    dropin = {"filters": 8, "milliseconds": steps, "seconds_for_60000": seconds, "ratio_to_python": 1.0, "ratio_to_numpy": 1.0}
    written = {
        "dropin": {"machine": figures[0]["machine"], "results": [dropin]},
        "kernels": with_peers(figures[0]),
        "start": {"rows": [["import", 0.5, 0.25]], "kernels": [{"seconds": 0.5}, {"seconds": 1.0}, {"seconds": 0.25}]},
    }
    for name, content in written.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    monkeypatch.setattr(readme, "README", path)
    monkeypatch.setattr("sys.argv", ["bench.readme", *(str(tmp_path / f"{name}.json") for name in written)])
    readme.main()
    text = path.read_text()
    assert "old" not in text and "| import | 0.50 | 0.25 |" in text
    assert "the 3 of `bench/shapes.py` take 0.50 s each in the median, 1.00 s at most" in text


def test_what_kernels_take_to_compile(capsys):
    @numba.njit
    def inner(x):
        return x + 1

    @numba.njit
    def outer(x):
        return inner(x)

    with kernel_times.listen() as done:
        outer(1)
    outer(1.0)
    assert [kernel["kernel"] for kernel in done] == ["test_bench.inner", "test_bench.outer"]
    first, second = done
    assert first["own"] == first["seconds"] > 0
    assert second["own"] == pytest.approx(second["seconds"] - first["seconds"])
    assert (second["first_type"], second["values"]) == ("int64", "")
    kernel_times.slowest_table([{**second, "seconds": 1.6}, first], 1)
    printed = capsys.readouterr().out
    assert "2 kernels, the slowest to compile first; 1 took more than 1.5 s" in printed
    assert "test_bench.outer" in printed and "test_bench.inner" not in printed
