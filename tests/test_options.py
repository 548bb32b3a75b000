"""Options: those of a constructor, by its signature, stay as they are; other attributes are refused; files hold them."""

import copy

import numpy as np
import pytest

from fastconv import nn
from fastconv.nn.files import model_file
from fastconv.nn.layers import LAYERS
from fastconv.nn.options import option_names
from fastconv.nn.training.optimizers import OPTIMIZERS
from fastconv.nn.training.schedules import SCHEDULES

ARGUMENTS = {
    "Conv2D": ((3, [3, np.int64(3)]), {"padding": [[1, 0], np.array([0, 1])], "stride": np.array([1, 2])}),
    "DepthwiseConv2D": ((np.array([3, 3]),), {"padding": [1, 1]}),
    "Dense": ((np.int32(5),), {"use_bias": np.True_}),
    "MaxPool2D": (([2, 2],), {"stride": np.int64(1)}),
    "AvgPool2D": ((2,), {"count_include_pad": True}),
    "ZeroPad2D": (([[0, 1], [2, 2]],), {}),
    "Dropout": ((np.float32(0.25),), {}),
    "SGD": ((0.1,), {"momentum": 0.5}),
}


def made(kind):
    given, named = ARGUMENTS.get(kind.__name__, ((), {}))
    return kind(*given, **named)


KINDS = [*LAYERS.values(), *OPTIMIZERS.values(), *SCHEDULES.values(), nn.Shift]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_options_are_the_constructors_arguments_and_make_the_same_again(kind):
    thing = made(kind)
    assert (*thing.options(),) == option_names(kind)
    again = kind(**thing.options())
    assert (repr(again), again.options()) == (repr(thing), thing.options())
    assert copy.deepcopy(thing).options() == thing.options()
    model_file.plain(thing.options())  # as JSON has it


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_option_can_be_changed_and_no_other_attribute_be_set(kind):
    thing = made(kind)
    for name in {*option_names(kind)} - {"lr"}:
        with pytest.raises(AttributeError, match=f"^{kind.__name__}: {name} can't be changed once the {kind.__name__} is made"):
            setattr(thing, name, getattr(thing, name))
    for name in ("trainble", "Trainable", "stop_training", "kernel", "weight"):
        with pytest.raises(AttributeError, match=rf"^{kind.__name__} has no attribute '{name}'; it has \["):
            setattr(thing, name, 1)
    thing._own = 5
    assert thing._own == 5
    for name in option_names(kind):
        with pytest.raises(AttributeError, match=f"^{kind.__name__}: {name} can't be deleted"):
            delattr(thing, name)


@pytest.mark.parametrize("name", ["sed", "trainable", "optimiser", "training", "stop_training", "layer"])
def test_a_model_refuses_what_it_has_not(name):
    model = nn.Sequential([nn.Dense(3)], (4,))
    with pytest.raises(AttributeError, match=rf"^Sequential has no attribute '{name}'; it has \[.*'layers', .*'seed', .*'epochs'"):
        setattr(model, name, 1)


@pytest.mark.parametrize("name", ["layers", "seed"])
def test_a_models_options_stay_as_they_are(name):
    model = nn.Sequential([nn.Dense(3)], (4,))
    with pytest.raises(AttributeError, match=f"^Sequential: {name} can't be changed once the Sequential is made"):
        setattr(model, name, getattr(model, name))
    with pytest.raises(AttributeError, match="optimizer"):
        model.optimizer = nn.SGD(0.1)
    with pytest.raises(AttributeError, match="^Sequential: fit is a method"):
        model.fit = None


def test_methods_are_not_replaced():
    layer = nn.Dense(3)
    with pytest.raises(AttributeError, match="^Dense: operations is a method"):
        layer.operations = None


class Halving(nn.Schedule):
    """A schedule of a user's, with an attribute of its own besides its option."""

    kind = "halving"

    def __init__(self, every=2):
        self.every, self.calls = every, 0

    def factors(self, updates, updates_per_epoch):
        self.calls += 1
        return 0.5 ** (np.arange(updates) // self.every)


def test_subclasses_set_what_they_like_in_their_constructor():
    schedule = Halving(every=3)
    assert (schedule.options(), repr(schedule)) == ({"every": 3}, "Halving(every=3)")
    nn.Sequential([nn.Dense(2)], (3,)).fit(np.eye(3), [0, 1, 0], schedule=schedule, progress=False)
    assert schedule.calls == 1
    schedule.kind = "other"
    with pytest.raises(AttributeError, match="^Halving: every can't be changed"):
        schedule.every = 4
    with pytest.raises(AttributeError, match="^Halving has no attribute 'evry'; it has .'every', 'calls'"):
        schedule.evry = 4


@pytest.mark.parametrize(
    "value, error, text",
    [
        (-0.1, ValueError, "lr must be at least 0 and less than inf, but is -0.1"),
        (float("nan"), ValueError, "lr must be at least 0 and less than inf, but is nan"),
        (float("inf"), ValueError, "lr must be at least 0 and less than inf, but is inf"),
        ("0.1", TypeError, "lr must be a number, but is '0.1'"),
        (None, TypeError, "lr must be a number, but is None"),
    ],
)
@pytest.mark.parametrize("optimizer", [nn.SGD(0.1), nn.Adam(0.1), nn.AdamW(0.1)], ids=repr)
def test_the_rate_can_be_set_and_is_checked(optimizer, value, error, text):
    optimizer.lr = np.float32(0.25)
    with pytest.raises(error, match=f"^{type(optimizer).__name__}: {text}"):
        optimizer.lr = value
    assert optimizer.lr == optimizer.options()["lr"] == 0.25
    optimizer.lr = 0.1


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: nn.Dense(3, use_bias="no"), "Dense: use_bias must be True or False, but is 'no'"),
        (lambda: nn.Conv2D(3, 3, use_bias=0), "Conv2D: use_bias must be True or False, but is 0"),
        (lambda: nn.MaxPool2D(2, ceil_mode="floor"), "MaxPool2D: ceil_mode must be True or False, but is 'floor'"),
        (lambda: nn.AvgPool2D(2, count_include_pad=None), "AvgPool2D: count_include_pad must be True or False"),
        (lambda: nn.SGD(0.1, 0.9, nesterov="False"), "SGD: nesterov must be True or False, but is 'False'"),
        (lambda: nn.EarlyStopping(restore_best="no"), "EarlyStopping: restore_best must be True or False, but is 'no'"),
        (lambda: nn.Checkpoint("a.npz", "val_loss"), "Checkpoint: best_only must be True or False, but is 'val_loss'"),
        (lambda: nn.Adam(betas=0.9), "Adam: betas must be a pair of numbers, but is 0.9"),
        (lambda: nn.DepthwiseConv2D(3, groups=2), "unexpected keyword argument 'groups'"),
        (lambda: nn.Sequential([nn.Dense(3)], (4,), None), "Sequential: dtype must be float32 or float64, but is None"),
        (lambda: nn.Sequential([], (4,)).set_weights([]), "set_weights: weights must be arrays by name, but are a list"),
        (lambda: nn.Sequential([nn.Dense(3)], 4), "Sequential: input_shape must be .* but is 4"),
        (lambda: nn.Sequential([nn.ReLU], (4,)), "layers must be layers of fastconv.nn, but layer 0 is the class ReLU itself"),
    ],
)
def test_what_would_be_taken_for_something_else_is_refused(make, text):
    with pytest.raises(TypeError, match=text):
        make()


# What the engine can't run


class Doubled(nn.Layer):
    """As a user of another library writes it."""

    def forward(self, x):
        return 2 * x


class Called(nn.Dense):
    def call(self, x):
        return 2 * x


class Mixed:
    def backward(self, dy):
        return dy


class Nothing(nn.Layer):
    """It says neither what it does nor how."""


class Cropped(nn.Layer):
    def output_shape(self, shape):
        return (shape[0] // 2,)

    def operations(self, plan):
        return []


def test_layers_that_the_engine_can_not_run_are_refused_by_name():
    rule = "can't be run: the engine runs a layer by the operations that its method `operations` returns"
    for layer, text in (
        (Doubled(), f"Sequential: layer 1: Doubled {rule}, and never calls its forward"),
        (Called(3), f"Sequential: layer 1: Called {rule}, and never calls its call"),
        (type("Both", (Mixed, nn.ReLU), {})(), f"Sequential: layer 1: Both {rule}, and never calls its backward"),
        (Nothing(), f"Sequential: layer 1: Nothing {rule}, which it doesn't define"),
        (nn.Layer(), f"Sequential: layer 1: Layer {rule}, which it doesn't define"),
    ):
        with pytest.raises(TypeError) as found:
            nn.Sequential([nn.Dense(4), layer], (4,))
        assert str(found.value) == text
    model = nn.Sequential([Cropped()], (4,))
    with pytest.raises(TypeError, match=r"^Cropped \(layer 0\) must have an operation that makes \(1, 2\) of \(1, 4\)"):
        model.predict(np.zeros((1, 4)))


class Scaled(nn.Dense):
    """A layer of a user's that changes what the engine does is fine."""

    def operations(self, plan):
        return super().operations(plan)[:1]


def test_a_layer_of_operations_of_ours_runs():
    model, other = (nn.Sequential([layer], (4,)) for layer in (Scaled(3, activation="relu"), nn.Dense(3)))
    assert np.array_equal(model.predict(np.eye(4)), other.predict(np.eye(4)))


def test_one_layer_may_be_in_two_models_but_with_weights_only_once_in_each():
    dense, relu = nn.Dense(4), nn.ReLU()
    models = [nn.Sequential([dense, relu, nn.Dense(4), relu], (4,), seed=seed) for seed in (0, 1)]
    assert models[0].weights_hash() != models[1].weights_hash()
    with pytest.raises(ValueError, match="^Sequential: layer 2 must be another Dense than layer 0, as weights can't be shared"):
        nn.Sequential([dense, relu, dense], (4,))


def test_a_depthwise_layer_does_not_remember_channels():
    layer = nn.DepthwiseConv2D(3)
    for channels in (8, 16, 8):
        assert layer.output_shape((5, 5, channels)) == (3, 3, channels)
        assert layer.weights((5, 5, channels))[0].shape == (3, 3, 1, channels)
    assert not hasattr(layer, "filters")
