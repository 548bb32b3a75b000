"""A model is trained by one fit at a time; what is refused changes nothing, and afterwards the model can be trained again."""

import copy
import threading

import pytest

from fastconv import nn

from .test_fit_goes_on import fit, layered


def refuses():
    return pytest.raises(RuntimeError, match="^fit: a model must be trained by one fit at a time, but another one of this model is")


class Calls(nn.Callback):
    """Calls a function of the model at the end of each epoch, or at another time."""

    def __init__(self, function, method="on_epoch_end"):
        setattr(self, method, lambda model, *arguments: function(model))


def refused(model):
    with refuses():
        fit(model, 1, optimizer=nn.SGD(0.5), loss="cross_entropy")


def refused_in_a_thread(model):
    thread = threading.Thread(target=refused, args=[model])  # a failure there would be a warning, which is an error here
    thread.start()
    thread.join()


@pytest.mark.parametrize("second", [refused, refused_in_a_thread])
@pytest.mark.parametrize("method", ["on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_end"])
def test_a_second_fit_is_refused_and_changes_nothing(method, second):
    whole, model, optimizer = layered(), layered(), nn.Adam(0.01)
    history, calls = fit(whole, 2), []
    again = fit(model, 2, optimizer=optimizer, callbacks=[Calls(lambda model: calls.append(second(model)), method)])
    assert len(calls) == (2 if "epoch" in method else 1)
    assert (model.weights_hash(), model.epochs, again.epochs) == (whole.weights_hash(), 2, history.epochs)
    assert model.optimizer is optimizer and model.history is again
    assert fit(model, 1).epochs == fit(whole, 1).epochs


def test_so_is_one_within_shuffle():
    with refuses():
        fit(model := layered(), 1, shuffle=lambda epoch: refused(model) or fit(model, 1))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_after_an_error_the_model_can_be_trained(error):
    def fail(model):
        raise error

    model, whole = layered(), layered()
    for method in ("on_train_begin", "on_epoch_begin", "on_epoch_end"):
        with pytest.raises(error):
            fit(copy.deepcopy(model), 1, callbacks=[Calls(fail, method)])
        with pytest.raises(error):
            fit(model, 1, callbacks=[Calls(fail, method)], initial_epoch=0)
        fit(model, 1)
    with pytest.raises(ValueError, match="batch_size"):
        fit(model, 1, batch_size=0)
    with pytest.raises(ValueError, match="shuffle must return"):
        fit(model, 1, shuffle=lambda epoch: [0])
    with refuses():
        fit(model, 1, callbacks=[Calls(lambda model: fit(model, 1))])
    fit(model, 1)
    assert model.weights_hash() != whole.weights_hash()


def test_other_models_are_trained_meanwhile():
    """A copy too, as by a callback that tries something."""
    model, others = layered(), []

    def train_others(model):
        others.extend([copy.deepcopy(model), layered()])
        for other in others:
            fit(other, 1)

    fit(model, 1, callbacks=[Calls(train_others)])
    assert [other.epochs for other in others] == [2, 1]
    fit(whole := layered(), 2)
    assert others[0].weights_hash() == whole.weights_hash()
