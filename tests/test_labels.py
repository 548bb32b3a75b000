"""Labels and targets in whatever form: they mean the same, or are refused."""

import numpy as np
import pytest

from fastconv import nn
from fastconv.nn.files import container as files

LABELS = np.arange(60) % 5
ROWS = np.random.default_rng(0).random((60, 4)).astype("float32")
NAMES = ["ant", "bee", "cat", "dog", "eel"]
NAMED = [NAMES[label] for label in LABELS]
QUIET = {"progress": False, "threads": 1}


def model(outputs=5, seed=0, shape=(4,)):
    return nn.Sequential([nn.Dense(outputs)], input_shape=shape, seed=seed)


def trained(y, outputs=5, **options):
    """A model after two epochs, and what became of them."""
    fitted = model(outputs)
    return fitted, fitted.fit(ROWS, y, epochs=2, **QUIET, **options)


class Protocol:
    """What gives its array when asked, as pandas' columns do."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array if dtype is None else self.array.astype(dtype)


FORMS = {
    "int8": LABELS.astype("int8"),
    "uint64": LABELS.astype("uint64"),
    "big-endian": LABELS.astype(">i4"),
    "float": LABELS.astype("float32"),
    "column": LABELS[:, None],
    "column of floats": LABELS[:, None].astype(float),
    "list": LABELS.tolist(),
    "list of floats": LABELS.astype(float).tolist(),
    "objects": LABELS.astype(object),
    "one-hot": np.eye(5)[LABELS],
    "one-hot ints": np.eye(5, dtype="int64")[LABELS],
    "one-hot bools": np.eye(5, dtype=bool)[LABELS],
    "one-hot list": np.eye(5, dtype=int)[LABELS].tolist(),
}
NAME_FORMS = {
    "list": NAMED,
    "tuple": tuple(NAMED),
    "U": np.array(NAMED),
    "S": np.array(NAMED, "S"),
    "list of str_": list(np.array(NAMED)),
    "list of bytes": [name.encode() for name in NAMED],
    "objects": np.array(NAMED, object),
    "column": np.array(NAMED)[:, None],
    "column of objects": np.array(NAMED, object)[:, None],
    "array protocol": Protocol(np.array(NAMED, object)),
}


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
@pytest.mark.parametrize("form", FORMS)
def test_labels_in_any_form_are_the_same_labels(form, loss):
    (one, history), (other, expected) = trained(FORMS[form], loss=loss), trained(LABELS, loss=loss)
    assert (one.weights_hash(), history.epochs) == (other.weights_hash(), expected.epochs)
    assert one.evaluate(ROWS, FORMS[form]) == other.evaluate(ROWS, LABELS)
    assert one.gradient(ROWS, FORMS[form], loss=loss)[0] == other.gradient(ROWS, LABELS, loss=loss)[0]
    assert one.classes is None


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
@pytest.mark.parametrize("form", NAME_FORMS)
def test_names_are_labels_in_sorted_order(form, loss):
    y = NAME_FORMS[form]
    (one, history), (other, expected) = trained(y, loss=loss, validation_data=(ROWS, y)), trained(LABELS, loss=loss)
    assert (one.weights_hash(), history["accuracy"]) == (other.weights_hash(), expected["accuracy"])
    assert one.classes == tuple(NAMES) and all(type(name) is str for name in one.classes)
    assert one.evaluate(ROWS, y) == other.evaluate(ROWS, LABELS) == one.evaluate(ROWS, LABELS)
    assert one.gradient(ROWS, y, loss=loss)[0] == other.gradient(ROWS, LABELS, loss=loss)[0]


@pytest.mark.parametrize("y", [LABELS % 2 == 1, (LABELS % 2 == 1)[:, None], (LABELS % 2 == 1).tolist()], ids=["n", "n1", "list"])
def test_bools_are_labels(y):
    assert trained(y, 2)[0].weights_hash() == trained(LABELS % 2, 2)[0].weights_hash()
    assert trained(y, 5)[0].weights_hash() == trained(LABELS % 2, 5)[0].weights_hash()


def test_validation_goes_by_the_names_of_the_training():
    """Which has all five, the validation three: numbered by itself, eel would be the third."""
    some = np.isin(LABELS, (0, 3, 4))
    fitted, history = trained(NAMED, validation_data=(ROWS[some], np.array(NAMED)[some]))
    assert history["val_loss"][-1] == fitted.evaluate(ROWS[some], LABELS[some])["loss"]


def test_names_stay_with_the_model_and_in_its_file(tmp_path):
    fitted = trained(NAMED)[0]
    few = np.flatnonzero(LABELS == 4)
    again = trained(LABELS)[0]
    for one, y in ((fitted, ["eel"] * len(few)), (again, [4] * len(few))):
        one.fit(ROWS[few], y, **QUIET)
    assert fitted.weights_hash() == again.weights_hash() and fitted.classes == tuple(NAMES)
    for suffix in files.SUFFIXES:
        fitted.save(tmp_path / f"model{suffix}")
        loaded = nn.load(tmp_path / f"model{suffix}")
        assert loaded.classes == tuple(NAMES)
        assert loaded.evaluate(ROWS, NAMED) == fitted.evaluate(ROWS, NAMED)


def test_a_checkpoint_goes_on_with_its_names_only(tmp_path):
    path, options = tmp_path / "run.npz", {"checkpoint": tmp_path / "run.npz", "resume": True, **QUIET}
    model().fit(ROWS, NAMED, epochs=1, **options)
    assert nn.load(path).classes == tuple(NAMES)
    resumed = model()
    resumed.fit(ROWS, NAMED, epochs=2, **options)
    assert (resumed.weights_hash(), resumed.classes) == (trained(NAMED)[0].weights_hash(), tuple(NAMES))
    for other in (LABELS, [f"{name}s" for name in NAMED]):
        with pytest.raises(ValueError, match=r"^fit: .*run\.npz is no checkpoint of this training"):
            model().fit(ROWS, other, epochs=2, **options)


def test_names_may_be_given_before():
    fitted = model()
    fitted.classes = reversed(NAMES)
    fitted.fit(ROWS, NAMED, epochs=2, **QUIET)
    assert fitted.weights_hash() == trained(4 - LABELS)[0].weights_hash()
    fitted.classes = None
    assert fitted.classes is None


@pytest.mark.parametrize(
    "y, error, text",
    [
        (LABELS + 0.5, ValueError, "labels must be whole numbers, but number 0 is 0.5"),
        (np.where(LABELS == 3, np.nan, LABELS), ValueError, "labels must be whole numbers, but number 3 is nan"),
        (np.where(LABELS == 2, np.inf, LABELS), ValueError, "labels must be whole numbers, but number 2 is inf"),
        (LABELS + 1, ValueError, "labels must be from 0 to 4, as the model has 5 outputs, but go from 1 to 5"),
        (LABELS + 1e300, ValueError, "labels must be from 0 to 4, .* but go from 1e.300"),
        (LABELS.astype("uint64") + 2**63, ValueError, "labels must be from 0 to 4, .* but go from 9223372036854775808"),
        (np.eye(5)[LABELS] * 0.9, ValueError, r"rows of labels must be a one and zeros, but row 0 is \[0.9, 0.0"),
        (np.full((60, 5), 0.2), ValueError, "rows of labels must be a one and zeros, but row 0 is .*loss='mean_squared_error'"),
        (np.zeros((60, 5), int), ValueError, r"rows of labels must be a one and zeros, but row 0 is \[0, 0"),
        (np.ones((60, 5), bool), ValueError, "rows of labels must be a one and zeros, but row 0"),
        (np.where(np.eye(5)[LABELS] == 1, 1, np.nan), ValueError, r"rows of labels must be a one and zeros, .* \[1.0, nan"),
        (np.eye(6)[LABELS], ValueError, r"labels must be \(n,\), \(n, 1\), or rows \(n, 5\) .* but have shape \(60, 6\)"),
        (LABELS[None], ValueError, r"y must have one label for each of the 60 images, but has shape \(1, 60\)"),
        (3, ValueError, r"y must have one label for each of the 60 images, but has shape \(\)"),
        ([*NAMED[:-1], None], TypeError, "y must be all names or all numbers, but number 59 is None"),
        ([*NAMED[:-1], float("nan")], TypeError, "y must be all names or all numbers, but number 59 is nan"),
        ([*NAMED[:-1], 4], TypeError, "y must be all names or all numbers, but number 59 is 4"),
        ([*LABELS[:-1].tolist(), None], TypeError, "y must be all names or all numbers, but number 59 is None"),
        (np.array([*LABELS[:-1], np.nan], object), ValueError, "labels must be whole numbers, but number 59 is nan"),
        ([NAMED[:2]] * 60, ValueError, r"labels must be one name for each image, but have shape \(60, 2\)"),
        ([f"name {i}" for i in range(60)], ValueError, r"labels must be at most 5 different names, .* \(60 in all\)"),
        (set(NAMED), TypeError, "y must be an array or a list, but is a set"),
        (iter(NAMED), TypeError, "y must be an array or a list, but is a list_iterator"),
        (LABELS.astype(complex), TypeError, "y must be an array of real numbers, but has dtype complex128"),
        (LABELS.astype("datetime64[s]"), TypeError, "y must be an array of real numbers, but has dtype datetime64"),
        ([[0], [1, 2], *[[0]] * 58], ValueError, "y is not a rectangular array"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, (list, str, np.ndarray, int)) else type(value).__name__,
)
def test_what_are_no_labels_is_refused(y, error, text):
    fitted = model()
    before = fitted.weights_hash()
    with pytest.raises(error, match=f"^fit: {text}"):
        fitted.fit(ROWS, y, **QUIET)
    with pytest.raises(error, match=r"^fit: .* \(in validation_data\)$"):
        fitted.fit(ROWS, LABELS, validation_data=(ROWS, y), **QUIET)
    assert (fitted.weights_hash(), fitted.classes) == (before, None)


def test_strange_names_are_refused():
    fitted = trained(NAMED[:4] * 15)[0]
    for call in (fitted.fit, fitted.evaluate, fitted.gradient):
        with pytest.raises(ValueError, match=": labels must be among 'ant', 'bee', 'cat', 'dog', but number 4 is 'eel'$"):
            call(ROWS, NAMED)
    for call in (model().evaluate, model().gradient):
        with pytest.raises(ValueError, match="labels are names like 'ant', but the model knows none: fit it with names first"):
            call(ROWS, NAMED)


def test_names_that_are_numbers_are_not_taken_for_numbers():
    """Sorted, "10" comes before "2": so 2 means another class than "2"."""
    for names in (("0", "10", "2", "33"), ("0.0", "1.0", "10.0", "2.0"), ("-1", "1")):
        fitted = trained(np.resize(names, 60))[0]
        assert fitted.classes == names
        for y in ([0, 1] * 30, np.eye(5)[LABELS]):
            with pytest.raises(
                ValueError, match=f"^evaluate: labels must be names of classes, as these are called '{names[0]}', '"
            ):
                fitted.evaluate(ROWS, y)
    digits = trained(LABELS.astype(str))[0]
    assert digits.evaluate(ROWS, LABELS) == digits.evaluate(ROWS, LABELS.astype(str)) == trained(LABELS)[0].evaluate(ROWS, LABELS)


@pytest.mark.parametrize(
    "names, error, text",
    [
        ("abc", TypeError, "classes must be a sequence of names, or None, but is 'abc'"),
        (5, TypeError, "classes must be a sequence of names, or None, but is 5"),
        ({"b": 1, "a": 0}, TypeError, "classes must be a sequence of names, or None, but is {'b': 1, 'a': 0}"),
        ({"a"}, TypeError, "classes must be a sequence of names, or None, but is {'a'}"),
        ([0, 1], TypeError, "classes must be names, but one is 0"),
        ([], ValueError, "classes must be 1 to 5 different names"),
        (["abcdef"] * 2, ValueError, "classes must be 1 to 5 different names, but are 'abcdef', 'abcdef'"),
        (list("abcdef"), ValueError, "classes must be 1 to 5 different names, but are 'a', 'b'"),
    ],
)
def test_classes_are_checked(names, error, text):
    fitted = model()
    with pytest.raises(error, match=f"^Sequential: {text}"):
        fitted.classes = names
    assert fitted.classes is None
    with pytest.raises(ValueError, match="^Sequential: classes must be 1 to 0 different names"):
        model(1).classes = ["number"]
