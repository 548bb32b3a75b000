"""What a model takes of memory when it is evaluated: no more for a long chain of layers, or for many images."""

import json

import numpy as np
import pytest

from fastconv import nn
from fastconv.nn import inference

from .test_idx import memory_below

IMAGES = np.random.default_rng(0).integers(0, 256, (600, 20, 20), np.uint8)
RESULT = 256 * 20 * 20 * 4
"""Bytes of one layer's results for a batch of these images."""


def chain(length, **options):
    layers = [layer for _ in range(length) for layer in (nn.AvgPool2D(1), nn.ReLU(), nn.MaxPool2D(1), nn.BatchNorm())]
    return nn.Sequential([*layers, nn.Flatten(), nn.Dense(3)], input_shape=(20, 20), **options)


def test_a_long_chain_takes_no_more_memory_than_its_largest_two(tmp_path):
    model = chain(30)
    model.save(tmp_path / "model.npz")
    expected = chain(1).predict(IMAGES)
    with memory_below(8 * RESULT):
        comp = nn.load(tmp_path / "model.npz")
        found = comp.predict(IMAGES)
        comp.evaluate(IMAGES, np.zeros(600, int))
    assert found.shape == expected.shape == (600, 3)


@pytest.mark.parametrize("layers", [[nn.Conv2D(3, 3), nn.ReLU(), nn.MaxPool2D(2), nn.Conv2D(5, 3, activation="relu")], []])
@pytest.mark.parametrize("most", [1, 2**18])
def test_fewer_images_at_a_time_give_the_same(monkeypatch, layers, most):
    model = nn.Sequential([*layers, nn.Flatten(), nn.Dense(3)], input_shape=(20, 20))
    expected, figures = model.predict(IMAGES), model.evaluate(IMAGES, np.ones(600, int))
    monkeypatch.setattr(inference, "MOST_BYTES", most)
    assert (inference.fitting(model) == 1) == (most == 1)
    assert inference.fitting(model) < 256
    np.testing.assert_allclose(model.predict(IMAGES), expected, rtol=1e-5)
    assert model.evaluate(IMAGES, np.ones(600, int)) == pytest.approx(figures, rel=1e-5)


def test_large_results_are_made_for_few_images_at_a_time():
    """64 images of 256 x 256 x 32 would be half a gigabyte, twice."""
    model = nn.Sequential([nn.Conv2D(32, 1), nn.GlobalAvgPool2D(), nn.Dense(2)], input_shape=(256, 256))
    images = np.zeros((64, 256, 256), np.uint8)
    model.predict(images[:1])
    with memory_below(2**28 + 2**25):
        model.predict(images)


# Small files that promise much


def saved(path, layers, input_shape, **weights):
    structure = {"layers": layers, "input_shape": input_shape, "dtype": "float32", "seed": 0, "loss": "cross_entropy"}
    np.savez(path, format=np.array("fastconv model 1"), structure=np.array(json.dumps(structure)), **weights)
    return path


def layer(name, **options):
    return {"layer": name, "options": options}


@pytest.mark.parametrize(
    "layers",
    [
        [layer("ZeroPad2D", padding=1500)],
        [layer("ZeroPad2D", padding=700)] * 4,
        [layer("ZeroPad2D", padding=1000), layer("ZeroPad2D", padding=1000), layer("MaxPool2D", kernel_size=1000)],
        [layer("AvgPool2D", kernel_size=2, stride=1, padding=1), *[layer("ZeroPad2D", padding=30)] * 50],
    ],
    ids=["one", "four", "shrinking", "many"],
)
def test_a_chain_that_blows_up_an_image_is_refused(tmp_path, layers):
    path = saved(tmp_path / "model.npz", layers, [28, 28, 1])
    with memory_below(2**20), pytest.raises(ValueError, match=r"^load: .*model\.npz holds no model: .* 1000 times as large"):
        nn.load(path)
    made = [nn.layers.LAYERS[item["layer"]](**item["options"]) for item in layers]
    with pytest.raises(
        ValueError, match=r"^Sequential: layer \d+: .*a result of \(\d+, \d+, 1\) is over 1000 times as large as the input"
    ):
        nn.Sequential(made, input_shape=(28, 28))


def test_a_large_input_is_only_a_number(tmp_path):
    """Pooling's windows were tables once, of 8 GB for this one."""
    pools = [layer("MaxPool2D", kernel_size=2), layer("AvgPool2D", kernel_size=3, stride=1, padding=1)]
    path = saved(tmp_path / "model.npz", pools, [2**31, 6, 1])
    with memory_below(2**20):
        assert nn.load(path).shapes[-1] == (2**30, 3, 1)


@pytest.mark.parametrize("repeated", [layer("Flatten"), layer("ReLU"), layer("Dropout", rate=0.5)], ids=lambda item: item["layer"])
def test_many_layers_take_little(tmp_path, repeated):
    path = saved(tmp_path / "model.npz", [repeated] * 2000, [28, 28, 1])
    with memory_below(8 * 2**20):
        model = nn.load(path)
    with memory_below(64 * 2**20):
        model.predict(IMAGES[:300, :1, :1].repeat(28, axis=1).repeat(28, axis=2))


@pytest.mark.parametrize("size", [2**20, 10**9])
def test_weights_that_are_not_there_take_nothing(tmp_path, size):
    for promised in (layer("Dense", units=size), layer("Conv2D", filters=size, kernel_size=3)):
        path = saved(tmp_path / "model.npz", [promised, promised], [28, 28, 1])
        with memory_below(2**20), pytest.raises(ValueError, match=r"^load: .*model\.npz holds no model: "):
            nn.load(path)
