"""Losses of a batch, sample by sample, and their gradients; where the batch is in the data, `state` says (see batch.py)."""

import numpy as np

from ...runtime.jit import jit
from .batch import POSITION


@jit
def exponentials(logits, start, classes):
    """Return the guess, which is where the largest of a row's logits is, and the sum of exp(logit - largest).

    Where the sum is NaN, as the probabilities then are, the guess is the first class: numpy.argmax finds it in them.
    """
    best, total = 0, 0.0
    for k in range(1, classes):
        if logits[start + k] > logits[start + best]:
            best = k
    for k in range(classes):
        total += np.exp(np.float64(logits[start + k] - logits[start + best]))
    return (best if total == total else 0), total


@jit
def largest(values, start, count):
    """Return where the first of a row's largest values is, or the first NaN, as numpy.argmax does."""
    best = 0
    for k in range(1, count):
        value, most = values[start + k], values[start + best]
        if value > most or (np.isnan(value) and not np.isnan(most)):
            best = k
    return best


@jit
def cross_entropy_loss(logits, labels, order, state, classes, batch, losses, correct, dz, start, stop):
    """losses = -log(softmax(logits)[label]) at the samples' places in the order, and dz its gradient, divided by the batch.

    correct says whether the guess is the label. Without dz (of no elements) there is no gradient.
    """
    for i in range(start, stop):
        row, place = i * classes, state[POSITION] + i
        label = labels[order[place]]
        best, total = exponentials(logits, row, classes)
        losses[place] = np.log(total) - np.float64(logits[row + label] - logits[row + best])
        correct[place] = best == label
        if len(dz):
            for k in range(classes):
                p = np.exp(np.float64(logits[row + k] - logits[row + best])) / total
                dz[row + k] = (p - (k == label)) / batch


@jit
def squared_loss(outputs, targets, order, state, count, batch, losses, correct, dz, start, stop):
    """losses = the mean over a sample's outputs of (output - target)^2, and dz its gradient, divided by the batch.

    correct says whether the largest output is at the place of the largest target, the first NaN counting as the largest.
    """
    for i in range(start, stop):
        row, place = i * count, state[POSITION] + i
        target, total = order[place] * count, 0.0
        for k in range(count):
            difference = np.float64(outputs[row + k]) - np.float64(targets[target + k])
            total += difference * difference
            if len(dz):
                dz[row + k] = 2 * difference / (count * batch)
        losses[place] = total / count
        correct[place] = largest(outputs, row, count) == largest(targets, target, count)
