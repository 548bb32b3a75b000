"""bench.choice: random layers that networks could have, which algorithms are compared, how losses are told and why they came."""

import json

import numpy as np
import pytest

from bench import choice
from bench.random_layers import KINDS, LEAST_FLOPS, MOST_FLOPS, random_layer
from bench.shapes import Layer, label, spec_of
from fastconv.kernels import table

from .processes import run_python

FLOAT32 = np.dtype(np.float32)


def test_the_layers_of_a_seed_are_the_same_whatever_else_is_asked_for_and_of_all_kinds():
    layers = [random_layer(0, number) for number in range(200)]
    assert layers[7] == random_layer(0, 7) != random_layer(1, 7)
    specs = [spec_of(layer) for layer in layers]
    assert all(LEAST_FLOPS <= spec.flops <= MOST_FLOPS for spec in specs)
    assert len(set(layers)) > 190
    assert sum(share for share, _ in KINDS.values()) == pytest.approx(1)
    for values in (
        {len(spec.size) for spec in specs} - {1, 2, 3},
        {1, 64} - {spec.images for spec in specs},
        {1, 2} - {spec.stride[0] for spec in specs},
        {1, 2, 6} - {spec.dilation[0] for spec in specs},
        {(1, 1), (3, 3), (5, 5), (7, 7)} - {spec.kernel for spec in specs},
    ):
        assert values == set()
    assert any(1 < spec.groups < spec.channels for spec in specs)
    assert any(1 < spec.groups == spec.channels for spec in specs)
    assert any(spec.channels == 1 for spec in specs) and any(spec.channels > 500 for spec in specs)


def test_what_can_do_a_case_is_compared_but_neither_fft_nor_a_slow_generic_kernel():
    dense, small = spec_of(Layer(4, 56, 64, 64, 3, 1, 1)), spec_of(Layer(1, 8, 16, 16, 3))
    assert {"winograd", "direct"} <= set(choice.candidates("output", dense, FLOAT32)) <= {"winograd", "narrow", "direct"}
    assert "generic" in choice.candidates("output", small, FLOAT32)
    assert "fft" not in choice.candidates("output", small, FLOAT32)


def test_a_loss_is_the_median_of_the_rounds_to_the_algorithm_of_the_least_median():
    judged = choice.judge("a", {"a": [3.0, 4.0, 6.0], "b": [2.0, 5.0, 4.0], "c": [9.0, 9.0]})
    assert judged == {"chosen": "a", "best": "a", "loss": 0.0, "milliseconds": {"a": 4000.0, "b": 4000.0, "c": 9000.0}}
    judged = choice.judge("a", {"a": [3.0, 4.0, 6.0], "b": [2.0, 3.0, 5.0]})
    assert (judged["best"], judged["loss"]) == ("b", pytest.approx(1 / 3))


def test_a_loss_has_a_cause():
    spec = spec_of(Layer(4, 56, 64, 64, 3, 1, 1))
    refused = table.refusal(next(row for row in table.TABLE["output"] if row.name == "generic"), spec, FLOAT32)
    assert refused is None
    assert choice.cause("output", spec, FLOAT32, "direct", "direct") == ""
    assert choice.cause("output", spec, FLOAT32, "direct", "generic") == "direct comes before generic"
    in_float64 = choice.cause("output", spec, np.dtype(float), "direct", "winograd")
    assert in_float64 == "winograd refused: would not be faster, or less exact"


def test_the_summary_counts_losses():
    found = choice.summary([{"loss": loss} for loss in (0.0, 0.04, 0.06, 0.2)], 8)
    assert found == {
        "cases": 8, "choices": 4, "within_small": 0.5, "within_small_of_all": 0.75, "beyond_large": 1, "worst": 0.2,
    }  # fmt: skip
    assert choice.summary([], 3)["within_small_of_all"] == 1


def test_the_worst_are_printed(capsys):
    record = {"layer": "1x2", "operation": "output", "loss": 0.5, "milliseconds": {"direct": 1.5, "dot": 1.0}, "cause": "of it"}
    choice.print_worst([{**record, "loss": 0.01, "layer": "none"}, record, {**record, "loss": 0.3, "layer": "third"}], 1)
    printed = capsys.readouterr().out
    assert "| 1x2   | output    | 50%  | direct 1,500, dot 1,000" in printed and "of it" in printed
    assert "none" not in printed and "third" not in printed


def test_a_run(tmp_path):
    path = tmp_path / "choice.json"
    arguments = ("--shapes", "1", "--first", "5", "--rounds", "1", "--operations", "output", "--json", path)
    done = run_python("-m", "bench.choice", *arguments)
    assert done.returncode == 0, done.stderr
    figures = json.loads(path.read_text())
    assert figures["summary"]["cases"] == 1 and figures["machine"]["isa"] is None
    for record in figures["records"]:
        assert record["layer"] == label(random_layer(0, 5))
        assert {record["chosen"], record["best"]} <= set(record["milliseconds"])
    assert "1 cases" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--operations", "output,grad"], "--operations must be of ['output', 'input_grad', 'weight_grad'], but ['grad'] are not"),
        (["--shapes", "0"], "--shapes and --rounds must be at least 1"),
        (["--seed", "-1"], "--first and --seed at least 0"),
    ],
)
def test_what_it_refuses(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench.choice", *arguments])
    with pytest.raises(SystemExit):
        choice.main()
    assert message in capsys.readouterr().err
