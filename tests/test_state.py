"""What is assigned to a model's attributes: checked, and copied into the memory that its layers and kernels use."""

import numpy as np
import pytest

from fastconv import nn

X = np.random.default_rng(0).random((20, 3)).astype("float32")


def model():
    return nn.Sequential([nn.BatchNorm(), nn.Dense(2)], input_shape=(3,))


@pytest.mark.parametrize("name", ["parameters", "buffers"])
@pytest.mark.parametrize(
    "kind", [np.float64, np.float32, np.float16, np.int8, ">f8", list, np.flip], ids=lambda kind: getattr(kind, "__name__", kind)
)
def test_vectors_take_any_numbers_and_stay_where_they_are(name, kind):
    one, other = model(), model()
    vector = getattr(one, name)
    values = np.arange(vector.size) % 5 + 1
    given = list(values) if kind is list else np.flip(values) if kind is np.flip else values.astype(kind)
    setattr(one, name, given)
    getattr(other, name)[:] = given
    assert getattr(one, name) is vector and one.weights_hash() == other.weights_hash()
    one.fit(X, np.arange(20) % 2, progress=False)
    assert getattr(one, name) is vector
    np.testing.assert_array_equal(one.get_weights()["1.bias"], one.parameters[-2:])


def test_vectors_change_in_place():
    one = model()
    vector, before = one.parameters, one.parameters.copy()
    one.parameters *= 2
    one.parameters = one.parameters
    one.parameters = one.parameters[::-1]
    assert one.parameters is vector
    np.testing.assert_array_equal(vector, 2 * before[::-1])


@pytest.mark.parametrize(
    "value, error, text",
    [
        (0.5, ValueError, r"must have shape \(14,\), but has \(\)"),
        (np.zeros(13), ValueError, r"must have shape \(14,\), but has \(13,\)"),
        (np.zeros((14, 1)), ValueError, r"must have shape \(14,\), but has \(14, 1\)"),
        (np.full(14, 1e300), ValueError, r"must be numbers that float32 can hold, but reaches 1e\+300"),
        (np.zeros(14, complex), TypeError, "must be an array of real numbers, but has dtype complex128"),
        (["1"] * 14, TypeError, "must be an array of real numbers, but has dtype <U1"),
        (None, TypeError, "must be an array of real numbers, but has dtype object"),
    ],
    ids=str,
)
def test_what_is_no_vector_is_refused(value, error, text):
    one = model()
    before = one.weights_hash()
    with pytest.raises(error, match=f"^Sequential: parameters {text}$"):
        one.parameters = value
    with pytest.raises(error, match="^Sequential: buffers must "):
        one.buffers = value
    assert one.weights_hash() == before


@pytest.mark.parametrize(
    "bias, error, text",
    [
        (["1", "2"], TypeError, "1.bias must be an array of real numbers, but has dtype <U1"),
        ([1, 2j], TypeError, "1.bias must be an array of real numbers, but has dtype complex128"),
        ([[1, 2]], ValueError, r"1.bias must have shape \(2,\), but has \(1, 2\)"),
        ([1e39, 0], ValueError, r"1.bias must be numbers that float32 can hold, but reaches 1e\+39"),
    ],
)
def test_what_are_no_weights_is_refused(bias, error, text):
    one = model()
    before, weights = one.weights_hash(), {name: array + 1 for name, array in one.get_weights().items()}
    with pytest.raises(error, match=f"^set_weights: {text}$"):
        one.set_weights(weights | {"1.bias": bias})
    assert one.weights_hash() == before


def test_the_loss_is_one_of_ours():
    one = model()
    one.loss = "mse"
    assert one.loss == "mean_squared_error"
    with pytest.raises(ValueError, match="^Sequential: loss must be one of .*, but is 'hinge'$"):
        one.loss = "hinge"
    assert one.loss == "mean_squared_error"
