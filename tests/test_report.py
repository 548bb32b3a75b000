"""What a model says about itself: its layers, and where its time goes."""

import pytest

from .test_fit import model_of_rows


def test_summary_goes_where_one_wants(capsys):
    lines = []
    assert model_of_rows().summary() is None
    model_of_rows().summary(print_fn=lines.append)
    text = capsys.readouterr().out
    assert lines == [text.removesuffix("\n")]
    assert text.splitlines()[2].split() == ["0", "Dense", "(16,)", "96", "160"]
    assert text.splitlines()[-1].split() == ["in", "all", "float32", "181", "320"]


def test_explain_finds_each_layer_and_changes_nothing():
    model = model_of_rows()
    before = model.weights_hash()
    found = model.explain(batch_size=16, threads=2)
    assert model.weights_hash() == before
    assert [(row.layer, row.direction) for row in found.rows] == [
        ("0 Dense", "forward"), ("1 Dropout", "forward"), ("2 Dense", "forward"),
        ("2 Dense", "backward"), ("1 Dropout", "backward"), ("0 Dense", "backward"),
    ]  # fmt: skip
    assert [row.flops for row in found.rows] == [16 * 160, 0, 16 * 160, 2 * 16 * 160, 0, 16 * 160]
    assert all(row.seconds > 0 for row in found.rows)
    assert found.rows[1].kernels == ("dropout",)
    assert "relu" in found.rows[0].kernels
    text = str(found)
    assert text.startswith(f"batches of 16, 2 threads, peak {found.peak:.0f} GFLOP/s\n")
    assert f"{found.rows[0].gflops / found.peak:.1%}" in text
    with pytest.raises(ValueError, match="^explain: batch_size must be at least 1, but is 0"):
        model.explain(batch_size=0)
