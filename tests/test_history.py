"""History: a dict of columns for whoever takes one, and a table for whoever looks at it."""

import copy
import json
import math
import pickle
from collections.abc import Mapping

import pytest

from fastconv import nn

from .test_fit import fitted, rows

EPOCHS = [{"loss": 0.5, "accuracy": 0.75}, {"loss": 0.25, "accuracy": 1.0}]
RAGGED = [{"loss": 3.0}, {"loss": 2.0, "val_loss": 4.0}, {"accuracy": 1.0}]


def test_fit_gives_columns():
    history = fitted(validation_data=rows(50, seed=1))[1]
    names = ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert list(history) == [*history.keys()] == names and len(history) == 4
    assert isinstance(history, Mapping)
    assert "val_loss" in history and "lr" not in history and history.get("lr") is None
    assert dict(history) == history.history == {name: history[name] for name in names} == {**history}
    assert all(len(column) == len(history.epochs) == 3 for column in history.values())
    assert history["loss"] == [epoch["loss"] for epoch in history.epochs]


def test_what_an_epoch_lacks_is_nan():
    history = nn.History(RAGGED)
    assert history.epochs == RAGGED and history.epochs[0] is not RAGGED[0]
    assert [(name, str(column)) for name, column in history.items()] == [
        ("loss", "[3.0, 2.0, nan]"), ("val_loss", "[nan, 4.0, nan]"), ("accuracy", "[nan, nan, 1.0]"),
    ]  # fmt: skip


def test_copies_are_alike_and_apart():
    history = nn.History(EPOCHS)
    for other in (copy.deepcopy(history), pickle.loads(pickle.dumps(history)), nn.History(history.epochs)):
        assert type(other) is nn.History and (other, other.epochs) == (history, history.epochs)
        other.add({"loss": 0.0})
        assert other != history and len(history["loss"]) == 2 and len(other["loss"]) == len(other.epochs) == 3
    assert history == {"loss": [0.5, 0.25], "accuracy": [0.75, 1.0]}
    assert json.loads(json.dumps(history)) == history


def test_a_copy_made_with_copy_is_whole():
    history = nn.History(EPOCHS)
    assert copy.copy(history) == history and copy.copy(history).epochs == EPOCHS
    assert type(copy.copy(history)) is nn.History


def test_a_table_takes_it():
    """What pandas.DataFrame does with a dict: columns by name, all of one length."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(nn.History(RAGGED))
    assert list(frame.columns) == ["loss", "val_loss", "accuracy"]
    assert frame["loss"].tolist()[:2] == [3.0, 2.0] and frame["val_loss"].isna().tolist() == [True, False, True]


@pytest.mark.parametrize(
    "name, text", [("val_loss", r"no column 'val_loss': there are \['loss', 'accuracy'\]\""), (-1, "epochs are in history.epochs")]
)
def test_what_is_no_column_is_a_key_error(name, text):
    with pytest.raises(KeyError, match=text):
        nn.History(EPOCHS)[name]
    with pytest.raises(KeyError, match="no column 'loss': there are none"):
        nn.History()["loss"]


def test_it_shows_the_last_epochs():
    assert repr(nn.History()) == "History of 0 epochs"
    assert repr(nn.History(EPOCHS[:1])) == "History of 1 epoch\nepoch    loss  accuracy\n    1  0.5000    0.7500"
    lines = repr(nn.History([{"loss": float(epoch)} for epoch in range(120)] + [{"loss": math.nan, "val_loss": 1e6}])).splitlines()
    assert lines[:2] == ["History of 121 epochs, the last 10", "epoch      loss      val_loss"]
    assert lines[2].split() == ["112", "111.0000", "nan"] and lines[-1].split() == ["121", "nan", "1000000.0000"]
    assert len(lines) == 12
