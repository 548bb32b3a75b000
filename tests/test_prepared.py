"""Few images' results by programs that are kept: the same bits as without, weights as they are now, one caller at a time."""

import copy
import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fastconv import nn
from fastconv.nn import inference, prepared

RNG = np.random.default_rng(0)
X = RNG.random((9, 12, 11)).astype("float32")


def model(seed=0):
    layers = [nn.Conv2D(4, 3, activation="relu"), nn.BatchNorm(), nn.MaxPool2D(2), nn.Dropout(0.5), nn.Flatten(), nn.Dense(5)]
    return nn.Sequential(layers, (12, 11), seed=seed)


def without(monkeypatch, call):
    with monkeypatch.context() as patch:
        patch.setattr(inference, "prepared", lambda *arguments: None)
        return call()


def programs(made):
    return prepared._kept.get(made, {})


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("call", ["predict", "logits", "first layer", "bytes", "one"])
def test_bits_are_the_same(monkeypatch, call, threads):
    monkeypatch.setattr(prepared, "SERIAL_FLOPS", 10_000)
    made = model()
    calls = {
        "predict": lambda: made.predict(X, threads=threads),
        "logits": lambda: made.predict(X, output="logits", threads=threads),
        "first layer": lambda: made.outputs(X, 0, threads=threads),
        "bytes": lambda: made.predict((255 * X).astype(np.uint8), threads=threads),
        "one": lambda: made.predict(X[3], threads=threads),
    }
    expected = without(monkeypatch, calls[call])
    assert not programs(made)
    for _ in range(2):
        np.testing.assert_array_equal(calls[call](), expected, strict=True)
    assert len(programs(made)) == 1


def test_weights_are_those_of_now(monkeypatch):
    made = model()
    before = made.predict(X)
    made.fit(X, np.arange(9) % 5, epochs=1, progress=False)
    after = made.predict(X)
    np.testing.assert_array_equal(after, without(monkeypatch, lambda: made.predict(X)))
    assert np.abs(after - before).max() > 1e-6
    made.parameters = model(1).parameters
    made.buffers = model(1).buffers
    np.testing.assert_array_equal(made.predict(X), model(1).predict(X))


def test_results_stay_as_they_are():
    made = model()
    first = made.predict(X[0])
    kept = first.copy()
    assert (made.predict(X[1]) != first).any()
    np.testing.assert_array_equal(first, kept)


def test_several_callers_at_once():
    made = model()
    expected = [made.predict(image) for image in X]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: (i, made.predict(X[i % 9])), range(400)))
    for i, result in found:
        np.testing.assert_array_equal(result, expected[i % 9])


def test_who_comes_while_it_is_busy_goes_without():
    made = model()
    expected = made.predict(X)
    (kept,) = programs(made).values()
    with kept._lock:
        assert kept(X[..., None]) is None
        np.testing.assert_array_equal(made.predict(X), expected)


def test_an_interrupt_leaves_it_free(monkeypatch):
    made = model()
    expected = made.predict(X)
    (kept,) = programs(made).values()
    with monkeypatch.context() as patch:
        patch.setattr(type(kept._alone), "run", lambda *arguments, **options: pytest.fail("stopped", pytrace=False))
        with pytest.raises(pytest.fail.Exception):
            made.predict(X)
    np.testing.assert_array_equal(kept(X[..., None]), expected)


def test_few_are_kept_and_none_of_many_images(monkeypatch):
    made = model()
    for count in range(1, 10):
        made.predict(X[:count])
        made.outputs(X[:count], 0)
        assert len(programs(made)) <= prepared.MOST_KEPT
    prepared._kept.clear()
    made.predict(X, batch_size=4)
    made.predict(X[:0])
    assert not programs(made)
    monkeypatch.setattr(prepared, "MOST_NUMBERS", 9 * 10 * 9 * 4)
    made.predict(X)
    assert not programs(made)


def test_the_variable_names_the_kernel(monkeypatch):
    made = model()
    expected = made.predict(X)
    monkeypatch.setenv("FASTCONV_KERNEL", "generic")
    np.testing.assert_allclose(made.predict(X), expected, 1e-5)
    assert len(programs(made)) == 2
    monkeypatch.setenv("FASTCONV_KERNEL", "nonsense")
    with pytest.raises(ValueError, match="FASTCONV_KERNEL must be"):
        made.predict(X)


def test_other_layers_than_ours_are_asked_at_each_call():
    class Changing(nn.ReLU):
        active = True

        def operations(self, plan):
            return super().operations(plan) if Changing.active else []

    made = nn.Sequential([nn.Dense(3), Changing()], (4,))
    x = RNG.standard_normal((5, 4))
    assert (made.predict(x, output="logits") >= 0).all()
    Changing.active = False
    assert (made.predict(x, output="logits") < 0).any()


def test_models_go_and_are_copied_with_theirs():
    made = model()
    made.predict(X)
    other = copy.deepcopy(made)
    other.parameters *= 0
    assert (other.predict(X) != made.predict(X)).any()
    gone = weakref.ref(made)
    del made
    gc.collect()
    assert gone() is None
