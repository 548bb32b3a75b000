"""Targets that are numbers, and what of labels and numbers there is an accuracy of."""

import numpy as np
import pytest

from fastconv import nn

from .test_labels import LABELS, QUIET, ROWS, model, trained

NUMBERS = np.random.default_rng(1).integers(-9, 10, 60)


@pytest.mark.parametrize(
    "y",
    [
        NUMBERS,
        NUMBERS[:, None],
        NUMBERS[:, None, None],
        NUMBERS.astype("int8"),
        NUMBERS.astype(float)[:, None],
        NUMBERS.tolist(),
        NUMBERS.astype(object),
    ],
    ids=["n", "n1", "n11", "int8", "float", "list", "objects"],
)
def test_integers_are_numbers_where_there_is_one_output(y):
    fitted, history = trained(y, 1, loss="mse")
    other, expected = trained(NUMBERS.astype("float32"), 1, loss="mse")
    assert (fitted.weights_hash(), history.epochs) == (other.weights_hash(), expected.epochs)
    squares = (fitted.predict(ROWS)[:, 0].astype(float) - NUMBERS) ** 2
    assert fitted.evaluate(ROWS, y) == {"loss": pytest.approx(squares.mean(), rel=1e-6)}
    assert fitted.gradient(ROWS, y, loss="mse")[0] == pytest.approx(squares.mean(), rel=1e-6)


def test_one_output_learns_integers():
    """y = 3 x, of which 0 was trained as 1 and 3 refused."""
    x = np.arange(4).repeat(10)[:, None]
    fitted = nn.Sequential([nn.Dense(1)], input_shape=(1,))
    fitted.fit(x / 3, 3 * x[:, 0], epochs=300, loss="mse", **QUIET)
    np.testing.assert_allclose(fitted.predict(np.arange(4)[:, None] / 3)[:, 0], [0, 3, 6, 9], atol=0.01)


def test_rows_of_integers_are_numbers_for_several_outputs():
    y = NUMBERS.reshape(60, 1) * [1, 2, 3]
    fitted, history = trained(y, 3, loss="mse")
    assert fitted.weights_hash() == trained(y.astype(float), 3, loss="mse")[0].weights_hash()
    assert list(fitted.evaluate(ROWS, y)) == ["loss"]


def autoencoder(shape):
    return nn.Sequential([nn.Conv2D(shape[-1], 3, padding="same")], input_shape=shape)


def test_images_are_targets_in_their_own_layout_only():
    images = np.random.default_rng(2).random((5, 4, 6, 3)).astype("float32")
    one, flat = autoencoder((4, 6, 3)), autoencoder((4, 6, 3))
    history = one.fit(images, images, loss="mse", **QUIET)
    assert list(history.epochs[0]) == ["loss"]
    flat.fit(images, images.reshape(5, -1), loss="mse", **QUIET)
    assert one.weights_hash() == flat.weights_hash()
    grey = autoencoder((4, 6, 1))
    grey.fit(images[..., 0], images[..., 0], loss="mse", **QUIET)
    for wrong in (images.transpose(0, 3, 1, 2), images.transpose(0, 2, 1, 3), np.arange(5)):
        with pytest.raises(ValueError, match=r"^fit: y must have 72 numbers for each image, \(n, 4, 6, 3\), but has shape \(5,"):
            one.fit(images, wrong, loss="mse")
    with pytest.raises(ValueError, match=r"^fit: with cross_entropy the model must tell at least two classes apart.*\(4, 6, 3\)"):
        one.fit(images, np.arange(5))


def test_pixels_as_targets_are_no_pixels_as_inputs():
    """An autoencoder of uint8 images would see 0 to 1 and be told 0 to 255."""
    images = np.random.default_rng(2).integers(0, 256, (5, 4, 6, 3), np.uint8)
    one = autoencoder((4, 6, 3))
    with pytest.warns(
        UserWarning, match="^evaluate: y reaches 25[0-5] of uint8, .* while in x they count as 0 to 1: .* y / 255$"
    ) as found:
        one.loss = "mse"
        one.evaluate(images, images)
    assert [item.filename for item in found] == [__file__]
    one.evaluate(images, images / 255)
    one.evaluate(images, images > 99)
    one.evaluate(images, (images > 99).astype("uint8"))
    model(1).fit(ROWS, LABELS.astype("uint8"), loss="mse", **QUIET)


@pytest.mark.parametrize(
    "y, error, text",
    [
        (NUMBERS.astype(str), TypeError, r"y must be numbers, as the model gives \(1,\), but number 0 is '"),
        (np.where(NUMBERS > 5, np.nan, 0), ValueError, "y must be finite numbers of float32, but has nan for image"),
        (np.full(60, 1e300), ValueError, r"y must be finite numbers of float32, but has 1e\+300 for image 0"),
        (np.zeros((60, 2)), ValueError, r"y must have 1 numbers for each image, \(n, 1\), but has shape \(60, 2\)"),
    ],
)
def test_what_are_no_numbers_is_refused(y, error, text):
    with pytest.raises(error, match=f"^fit: {text}"):
        trained(y, 1, loss="mse")


def test_one_output_has_no_classes_to_tell_apart():
    for call in (model(1).fit, model(1).evaluate, model(1).gradient):
        with pytest.raises(ValueError, match=r": with cross_entropy the model must tell at least two classes apart.*gives \(1,\)"):
            call(ROWS, LABELS * 0)


@pytest.mark.parametrize("shape", [(0,), (0, 1), (0, 3)])
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_nothing_is_data_too(loss, outputs, shape):
    if (loss, outputs) == ("cross_entropy", 1):
        outputs = 2
    fitted, y = model(outputs), np.zeros(shape)
    before = fitted.weights_hash()
    history = fitted.fit(ROWS[:0], y, loss=loss, validation_data=(ROWS[:0], y), **QUIET)
    assert fitted.weights_hash() == before
    assert np.isnan(history["loss"] + history["val_loss"] + [fitted.evaluate(ROWS[:0], y)["loss"]]).all()
    assert ("accuracy" in history.epochs[0]) == (outputs > 1)
    with pytest.raises(ValueError, match="^gradient: x must have at least one image, but has none$"):
        fitted.gradient(ROWS[:0], y, loss=loss)


# Accuracy


@pytest.mark.parametrize(
    "y, outputs, loss, there",
    [
        (LABELS, 5, "cross_entropy", True),
        (LABELS, 5, "mse", True),
        (np.eye(5)[LABELS], 5, "mse", True),
        (ROWS, 4, "mse", False),
        (NUMBERS, 1, "mse", False),
    ],
)
def test_there_is_an_accuracy_where_there_are_classes(y, outputs, loss, there, capsys):
    fitted, seen = model(outputs), []
    keep = type("Keep", (nn.Callback,), {"on_epoch_end": lambda self, model, epoch, logs: seen.append(list(logs))})()
    fitted.fit(ROWS, y, loss=loss, validation_data=(ROWS, y), callbacks=[keep], threads=1)
    assert seen == [["loss", "accuracy", "val_loss", "val_accuracy"] if there else ["loss", "val_loss"]]
    assert ("accuracy" in fitted.evaluate(ROWS, y)) == there == ("accuracy" in capsys.readouterr().err)
    for monitor in ("accuracy", "val_accuracy"):
        options = {"loss": loss, "validation_data": (ROWS, y), "callbacks": [nn.EarlyStopping(monitor)], **QUIET}
        if there:
            fitted.fit(ROWS, y, **options)
        else:
            with pytest.raises(ValueError, match=rf"one of \['loss', 'val_loss'\], but looks at '{monitor}'$"):
                fitted.fit(ROWS, y, **options)
