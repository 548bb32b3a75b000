"""Numbers on a scale that isn't meant: a warning that names it, once; and none where they are only dark, few or far out."""

import warnings

import numpy as np
import pytest

from fastconv import nn
from fastconv.nn import ranges

RNG = np.random.default_rng(0)
PIXELS = (RNG.random((40, 6, 6)) * 256).astype("uint8") * (RNG.random((40, 6, 6)) > 0.5)
LABELS = np.arange(40) % 2
NORMAL = RNG.normal(0, 1, (40, 6, 6)).astype("float32")
FLAGS = (PIXELS > 0).astype("uint8")


def model():
    return nn.Sequential([nn.Flatten(), nn.Dense(2)], input_shape=(6, 6), seed=1)


def trained(x):
    """A model trained a little, whatever is said about that."""
    fitted = model()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        fitted.fit(x, LABELS[: len(x)], optimizer=nn.SGD(1e-4), progress=False, threads=1)
    return fitted


def calls(fitted):
    """Everything that takes images."""
    return {
        "fit": lambda x: fitted.fit(x, LABELS[: len(x)], optimizer=nn.SGD(0.0), progress=False, threads=1),
        "evaluate": lambda x: fitted.evaluate(x, LABELS[: len(x)], threads=1),
        "gradient": lambda x: fitted.gradient(x, LABELS[: len(x)], threads=1),
        "predict": lambda x: fitted.predict(x, threads=1),
    }


OPERATIONS = list(calls(None))
TAKEN = r"of {}, which are taken as they are \(of integers, only uint8 count as 0 to 1\): x / {}"


# What is strange by itself


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    "x, text",
    [
        (PIXELS.astype("int64"), "from 0 to 255 " + TAKEN.format("int64", 255)),
        (PIXELS.astype("int16"), "from 0 to 255 " + TAKEN.format("int16", 255)),
        (PIXELS.astype("uint16") * 257, "from 0 to 65535 " + TAKEN.format("uint16", 65535)),
        (PIXELS.astype("int64") - 128, "from -128 to 127 " + TAKEN.format("int64", 128)),
        ((PIXELS % 3).astype("int32"), "from 0 to 2 " + TAKEN.format("int32", 255)),
        (PIXELS.tolist(), "from 0 to 255 " + TAKEN.format("int64", 255)),
        (FLAGS, r"from 0 to 1 of uint8, which count as 0 to 1/255: .* x.astype\('float32'\)"),
    ],
    ids=["int64", "int16", "uint16", "signed", "small", "list", "flags"],
)
def test_integers_that_are_no_pixels(operation, x, text):
    call = calls(model())[operation]
    with pytest.warns(UserWarning, match=f"^{operation}: x goes {text}") as found:
        call(x)
    assert [item.filename for item in found] == [__file__]
    call(x)  # once is enough


@pytest.mark.parametrize("operation", ["fit", "gradient"])
@pytest.mark.parametrize(
    "x, text",
    [
        (PIXELS.astype("float32"), "from 0 to 255, .* near 1: x / 255 makes 0 to 1 of 0 to 255$"),
        (PIXELS.astype("float64"), "from 0 to 255, .* near 1: x / 255 makes"),
        (PIXELS.astype("float16"), "from 0 to 255, .* near 1: x / 255 makes"),
        (PIXELS * 257.0, r"from 0 to 65535, .* near 1: x / 65535 doesn't exceed 1"),
        (PIXELS - 128.0, r"from -128 to 127, .* near 1: x / 128 doesn't exceed 1"),
    ],
    ids=["float32", "float64", "float16", "65535", "signed"],
)
def test_large_numbers_to_learn_from(operation, x, text):
    with pytest.warns(UserWarning, match=f"^{operation}: x goes {text}"):
        calls(model())[operation](x)
    assert calls(model())["evaluate"](x)  # which can't know what it was trained on


@pytest.mark.parametrize(
    "x",
    [PIXELS, PIXELS / 255, NORMAL, 3 * NORMAL, FLAGS.astype(bool), FLAGS.astype("int8"), FLAGS.astype("int64") * -1, 0 * PIXELS,
     0 * PIXELS.astype("int64"), PIXELS // 100, PIXELS[:0], 1e-3 * NORMAL],
)  # fmt: skip
def test_what_is_as_it_should_be(x):
    for call in calls(model()).values():
        if len(x) or call.__code__ is not calls(None)["gradient"].__code__:
            call(x)


def test_one_outlier_is_no_scale():
    x = NORMAL.copy()
    x[0, 0, 0] = 200
    calls(model())["fit"](x)


def test_numbers_that_are_none():
    x = NORMAL.copy()
    x[3, 3, 3] = np.nan
    with pytest.warns(UserWarning, match="^fit: x has numbers that aren't finite, and soon no weight will be$"):
        fitted = model()
        calls(fitted)["fit"](x)
    assert fitted.input_range.extent == np.abs(NORMAL).max()
    calls(model())["evaluate"](x)


def test_a_warning_made_an_error_leaves_everything_as_it_was():
    fitted = model()
    before = fitted.weights_hash()
    with pytest.raises(UserWarning, match="^fit: x goes from 0 to 255"):
        calls(fitted)["fit"](PIXELS.astype(float))
    assert (fitted.weights_hash(), fitted.input_range) == (before, None)


# What is on another scale than in training


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    "x, other, text",
    [
        (PIXELS, PIXELS.astype("float32"), "0 to 255, .* on 0 to 255 of uint8, which count as 0 to 1"),
        (PIXELS, PIXELS.astype("int32"), "0 to 255, .* on 0 to 255 of uint8, which count as 0 to 1"),
        (PIXELS, FLAGS, "0 to 1 of uint8, which count as 0 to 0.00392, .* on 0 to 255 of uint8"),
        (PIXELS, PIXELS / 255**2, "0 to 0.00392157, .* on 0 to 255 of uint8"),
        (PIXELS, NORMAL, "-.*, .* on 0 to 255 of uint8"),
        (PIXELS / 255, PIXELS.astype("float32"), "0 to 255, .* on 0 to 1$"),
        (PIXELS / 255, PIXELS / 127.5 - 1, "-1 to 1, .* on 0 to 1$"),
        (PIXELS / 127.5 - 1, PIXELS / 255, "0 to 1, .* on -1 to 1$"),
        (PIXELS / 127.5 - 1, PIXELS, "0 to 255 of uint8, which count as 0 to 1, .* on -1 to 1$"),
        (PIXELS.astype("int64"), PIXELS, "0 to 255 of uint8, which count as 0 to 1, .* on 0 to 255$"),
        (PIXELS.astype("float32"), PIXELS / 255, "0 to 1, .* on 0 to 255$"),
        (PIXELS * 257.0, PIXELS.astype(float), "0 to 255, .* on 0 to 65535$"),
        (NORMAL, 255 * NORMAL, r"-[\d.]+ to [\d.]+, .* on -"),
        (NORMAL, PIXELS.astype(float), "0 to 255, .* on -"),
        (NORMAL, PIXELS / 255, "0 to 1, .* on -"),
        (FLAGS, PIXELS, "0 to 255 of uint8, which count as 0 to 1, .* on 0 to 1 of uint8, which count as 0 to 0.00392$"),
        (FLAGS.astype("float32"), FLAGS, "0 to 1 of uint8, which count as 0 to 0.00392, .* on 0 to 1$"),
    ],
)
def test_another_scale_than_in_training(operation, x, other, text):
    fitted = trained(x)
    with pytest.warns(UserWarning, match=f"^{operation}: x goes from {text}"):
        calls(fitted)[operation](other)
    if operation != "fit":
        calls(fitted)[operation](other)  # once is enough
        calls(fitted)[operation](x)


@pytest.mark.parametrize(
    "x, others",
    [
        (PIXELS, [0 * PIXELS, PIXELS[:1] // 40, PIXELS // 16, PIXELS / 255, PIXELS / 255 / 20, FLAGS.astype(bool), PIXELS[:0]]),
        (PIXELS / 255, [PIXELS, PIXELS[:1], 0.0 * PIXELS, PIXELS[:1] / 255 / 20, PIXELS / 255 * 1.1 - 0.05, FLAGS.astype(bool)]),
        (PIXELS / 127.5 - 1, [np.abs(NORMAL[:1]) / 4, 0 * NORMAL - 1, 0 * NORMAL, 0 * NORMAL + 0.5, NORMAL]),
        (NORMAL, [NORMAL[:3], 4 * NORMAL, NORMAL / 4, np.where(np.arange(36).reshape(6, 6) == 3, 60, NORMAL), np.abs(NORMAL[:2])]),
        (np.where(np.arange(1440).reshape(40, 6, 6) == 3, 1e4, NORMAL), [NORMAL, NORMAL[1:2] / 2]),
        (PIXELS.astype("float64"), [PIXELS.astype("int64"), PIXELS.astype("int64")[:1] // 8, PIXELS * 1.0]),
        (FLAGS, [FLAGS[:1], 0 * FLAGS]),
    ],
    ids=["uint8", "0 to 1", "-1 to 1", "normal", "outlier", "0 to 255", "flags"],
)
def test_no_false_alarm(x, others):
    fitted = trained(x)
    for other in [x, x[:1], x[::-1], *others]:
        for operation in ("evaluate", "predict"):
            calls(fitted)[operation](other)


@pytest.mark.parametrize("features", [1, 2, 3])
def test_a_few_numbers_may_lie_anywhere_in_the_range(features):
    x = np.linspace(-3, 3, 40)[:, None] * np.ones(features)
    fitted = nn.Sequential([nn.Dense(1)], input_shape=(features,))
    fitted.fit(x[:30], x[:30, 0], loss="mse", validation_data=(x[30:], x[30:, 0]), optimizer=nn.SGD(1e-3), progress=False)
    for other in (x[0] / 1000, x[20:], -x[:20], x / 100):
        fitted.predict(other)
    with pytest.warns(UserWarning, match="^predict: x goes from -255 to 255, but the model was trained on -3 to "):
        fitted.predict(x * 85)
    fitted = nn.Sequential([nn.Dense(2)], input_shape=(4,))
    fitted.fit(x[:, :1] * np.ones(4), np.arange(40) % 2, optimizer=nn.SGD(1e-3), progress=False)
    fitted.predict(np.full(4, 0.01))  # the four go together
    with pytest.warns(UserWarning, match="^predict: x goes from -0.0117.*, but the model was trained on -3 to 3"):
        fitted.predict(x[:, :1] / 255 * np.ones(4))


def test_a_series_may_go_up_and_bright_images_may_be_bright():
    series = np.sin(np.arange(300) / 40)
    rows = np.lib.stride_tricks.sliding_window_view(series, 32)
    fitted = nn.Sequential([nn.Dense(1)], input_shape=(32,))
    fitted.fit(rows, series[-len(rows) :], loss="mse", optimizer=nn.SGD(1e-4), progress=False)
    for start in range(0, 240, 20):
        fitted.predict(rows[start : start + 20])
    trained(NORMAL).predict(np.abs(NORMAL) / 10 + 2)
    wide = nn.Sequential([nn.Dense(2)], input_shape=(72,))
    wide.fit(NORMAL.reshape(20, 72), LABELS[:20], optimizer=nn.SGD(1e-4), progress=False)
    with pytest.warns(UserWarning, match="^predict: x goes from 0 to 1, but the model was trained on -"):
        wide.predict(PIXELS.reshape(20, 72) / 255)


def test_validation_is_compared_with_the_training():
    with pytest.warns(UserWarning, match="^fit: x in validation_data goes from 0 to 255, but the model was trained on 0 to 1$"):
        model().fit(PIXELS / 255, LABELS, validation_data=(PIXELS * 1.0, LABELS), epochs=3, progress=False)


# What is kept


def test_the_range_is_that_of_all_it_was_trained_on():
    fitted = model()
    assert fitted.input_range is None
    fitted.fit(PIXELS[:0], [], progress=False)
    fitted.fit(PIXELS, LABELS, epochs=0, progress=False)
    assert fitted.input_range is None
    fitted.fit(PIXELS[:20] // 2, LABELS[:20], progress=False)
    fitted.fit(0 * PIXELS, LABELS, progress=False)
    assert (fitted.input_range.low, fitted.input_range.high, fitted.input_range.uint8) == (0, 127 / 255, True)
    fitted.fit(PIXELS / 255, LABELS, progress=False)
    assert (fitted.input_range.low, fitted.input_range.high, fitted.input_range.uint8) == (0, 1, False)
    with pytest.warns(UserWarning, match="^fit: x goes from 0 to 255, but the model was trained on 0 to 1$"):
        fitted.fit(PIXELS * 1.0, LABELS, optimizer=nn.SGD(0), progress=False)
    assert fitted.input_range.high == 255
    assert fitted.input_range.mean == fitted.input_range.magnitude == pytest.approx(PIXELS[PIXELS > 0].mean())


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_the_range_is_in_the_file(tmp_path, suffix):
    fitted, path = trained(PIXELS), tmp_path / f"model{suffix}"
    fitted.save(path)
    loaded = nn.load(path)
    assert loaded.input_range == fitted.input_range and type(loaded.input_range) is nn.InputRange
    with pytest.warns(UserWarning, match="^evaluate: x goes from 0 to 255, but the model was trained on 0 to 255 of uint8"):
        loaded.evaluate(PIXELS * 1.0, LABELS)
    model().save(path)
    assert nn.load(path).input_range is None
    path, again = tmp_path / f"run{suffix}", model()
    again.fit(PIXELS, LABELS, optimizer=nn.SGD(1e-4), progress=False, checkpoint=path)
    assert nn.load(path).input_range == again.input_range == fitted.input_range


@pytest.mark.parametrize(
    "value, error",
    [
        ("all", TypeError), (5, TypeError), ([0, 1], TypeError), ([0, 1, 0.5, 0.5, 1], TypeError),
        ([0, True, 0.5, 0.5, True], TypeError),
        (["0", 1, 0.5, 0.5, True], TypeError), ([0, np.inf, 1, 1, True], ValueError), ([1, 0, 1, 1, True], ValueError),
        ([0, 1, 0, 0, True], ValueError),
    ],
)  # fmt: skip
def test_what_is_no_range_is_refused(value, error):
    with pytest.raises(error, match="^Sequential: input_range must be "):
        model().input_range = value


def test_of_many_numbers_some_are_looked_at(monkeypatch):
    monkeypatch.setattr(ranges, "CHUNK", 100)
    monkeypatch.setattr(ranges, "CHUNKS", 4)
    monkeypatch.setattr(ranges, "FEW", 100)
    found, finite = ranges.measured(PIXELS)
    whole = PIXELS[PIXELS > 0].mean() / 255
    assert finite and found.high > 0.9 and found.mean == pytest.approx(whole, rel=0.2) and found.mean != whole
    late = np.zeros(2000, np.uint8)
    late[:200:2], late[700] = 1, 9
    assert ranges.measured(late)[0].high == 9 / 255  # no flags, which are looked for in all of them
    found, finite = ranges.measured(np.where(np.arange(2000) % 7 == 3, np.nan, np.arange(2000.0)))
    assert not finite and (found.low, found.high) == (0, 1999)
    assert ranges.measured(np.full(9, np.nan)) == (None, False)
    assert ranges.measured(np.full(9, 1e308)) == (None, True)
