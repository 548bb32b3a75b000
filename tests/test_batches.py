"""Batches: what is left of an epoch, whether it is left out, and that no layer is trained by the variance of one number."""

import numpy as np
import pytest

from fastconv import nn

from .test_checkpoint import Interrupt
from .test_fit_goes_on import fit, layered, pictures


def rows(count):
    x = np.random.default_rng(0).random((count, 5)).astype("float32")
    return x, x.argmax(axis=1)


def normalized(*shape):
    """A network whose batch normalisation has one value a channel for each image of this shape."""
    layers = [nn.Conv2D(5, shape[0]), nn.BatchNorm(), nn.Flatten()] if len(shape) == 3 else [nn.Dense(5), nn.BatchNorm()]
    return nn.Sequential(layers, shape)


REMAINDER = r"BatchNorm is trained by the variance over a batch, but a batch \(1, .*5\) has one value a channel"


@pytest.mark.parametrize(
    "count, batch, numbers", [(33, 32, "33 images in batches of 32"), (1, 32, "1 images in"), (9, 1, "9 images in batches of 1")]
)
@pytest.mark.parametrize("shape", [(5,), (2, 2, 1)], ids=str)
def test_a_variance_of_one_number_is_refused_before_anything_is_done(shape, count, batch, numbers):
    model, x = normalized(*shape), np.random.default_rng(1).random((count, *shape))
    before = model.weights_hash()
    with pytest.raises(ValueError, match=f"^fit: layer 1: {REMAINDER} .{numbers}"):
        model.fit(x, np.zeros(count, int), batch_size=batch, optimizer=nn.SGD(0.3), progress=False)
    assert (model.weights_hash(), model.epochs, model.optimizer) == (before, 0, None)
    with pytest.raises(ValueError, match=f"^gradient: layer 1: {REMAINDER}"):
        model.gradient(x[:1], [0])


def test_one_image_of_several_pixels_has_a_variance():
    model = nn.Sequential([nn.BatchNorm(), nn.Flatten(), nn.Dense(2)], (2, 1, 3))
    model.fit(np.random.default_rng(0).random((3, 2, 1, 3)), [0, 1, 0], batch_size=2, progress=False)
    assert np.isfinite(model.parameters).all()


@pytest.mark.parametrize("how", ["drop_last", "frozen"])
def test_what_is_left_may_be_left_out_or_the_layer_be_frozen(how):
    model = normalized(5)
    if how == "frozen":
        model.layers[1].trainable = False
    model.fit(*rows(33), batch_size=32, drop_last=how == "drop_last", progress=False)
    assert np.isfinite(model.buffers).all()


def test_a_callback_can_not_thaw_what_can_not_be_trained():
    class Thaw(nn.Callback):
        def on_epoch_end(self, model, epoch, logs):
            model.layers[1].trainable = True

    model = normalized(5)
    model.layers[1].trainable = False
    with pytest.raises(ValueError, match=f"^fit: layer 1: {REMAINDER}"):
        model.fit(*rows(33), epochs=2, batch_size=32, callbacks=[Thaw()], progress=False)
    assert model.epochs == 1


# drop_last


def test_what_is_left_out_is_the_last_of_each_epochs_order():
    model, by_hand, (x, y) = layered(), layered(), pictures()
    history = fit(model, 2, drop_last=True, shuffle=lambda epoch: np.roll(np.arange(72), epoch), optimizer=nn.SGD(0.05))
    for epoch in range(2):
        order = np.roll(np.arange(72), epoch)[:64]  # as dropout goes by the image, the order and not the images must be another
        by_hand_history = by_hand.fit(
            x, y, batch_size=16, shuffle=lambda _, order=order: [*order, *sorted({*range(72)} - {*order})],
            drop_last=True, optimizer=nn.SGD(0.05), progress=False, threads=1,
        )  # fmt: skip
        assert by_hand_history.epochs == history.epochs[epoch : epoch + 1]
    assert model.weights_hash() == by_hand.weights_hash()


def test_figures_are_means_over_what_was_used():
    x, y = rows(40)
    models = [nn.Sequential([nn.Dense(5)], (5,)) for _ in range(2)]
    histories = [
        models[0].fit(x, y, batch_size=32, drop_last=True, shuffle=False, progress=False),
        models[1].fit(x[:32], y[:32], batch_size=32, shuffle=False, progress=False),
    ]
    assert histories[0].epochs == histories[1].epochs
    assert models[0].weights_hash() == models[1].weights_hash()


def test_with_nothing_left_it_changes_nothing():
    hashes = set()
    for flag in (True, False):
        model = layered()
        fit(model, 1, batch_size=36, drop_last=flag)
        hashes.add(model.weights_hash())
    assert len(hashes) == 1


def test_it_is_shown_and_resumed(tmp_path, monkeypatch, capsys):
    whole, path = layered(), tmp_path / "run.npz"
    fit(whole, 3, drop_last=True, progress=True)
    assert "of 64 images" in capsys.readouterr().err
    for place, at in (("slice", 1), ("slice", 3), ("end", 2)):
        model = layered()
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("fastconv.engine.epoch.SLICE_SECONDS", 0.0)
            fit(model, 3, drop_last=True, checkpoint=path, callbacks=[Interrupt(patch, place, at)])
        with pytest.raises(ValueError, match="it was written with drop_last = True, but now it is False"):
            fit(layered(), 3, checkpoint=path, resume=True)
        again = layered()
        fit(again, 3, drop_last=True, checkpoint=path, resume=True)
        assert again.weights_hash() == whole.weights_hash()
        path.unlink()


@pytest.mark.parametrize(
    "options, error, text",
    [
        (
            {"batch_size": 100, "drop_last": True},
            ValueError,
            "with drop_last there must be a batch of 100 images, .* are 72",
        ),
        ({"drop_last": 1}, TypeError, "drop_last must be True or False, but is 1"),
        ({"resume": "no"}, TypeError, "resume must be True or False, but is 'no'"),
        ({"progress": "off"}, TypeError, "progress must be True or False, but is 'off'"),
    ],
)
def test_what_can_not_be_is_refused(options, error, text):
    with pytest.raises(error, match=f"^fit: {text}"):
        fit(layered(), 1, **options)
