"""Losses of a batch, sample by sample, and their gradients; where the batch is in the data, `state` says (see batch.py)."""

import numpy as np

from .._jit import jit
from .batch import POSITION


@jit
def cross_entropy_loss(logits, labels, order, state, classes, batch, losses, correct, dz, start, stop):
    """losses = -log(softmax(logits)[label]) at the samples' places in the order, and dz its gradient, divided by the batch.

    correct says whether the largest logit is the label's. Without dz (of no elements) there is no gradient.
    """
    for i in range(start, stop):
        row, place = i * classes, state[POSITION] + i
        label, best = labels[order[place]], 0
        for k in range(1, classes):
            if logits[row + k] > logits[row + best] or np.isnan(logits[row + k]):
                best = k
        total = 0.0
        for k in range(classes):
            total += np.exp(np.float64(logits[row + k] - logits[row + best]))
        losses[place] = np.log(total) - np.float64(logits[row + label] - logits[row + best])
        correct[place] = best == label
        if len(dz):
            for k in range(classes):
                p = np.exp(np.float64(logits[row + k] - logits[row + best])) / total
                dz[row + k] = (p - (k == label)) / batch


@jit
def squared_loss(outputs, targets, order, state, count, batch, losses, correct, dz, start, stop):
    """losses = the mean over a sample's outputs of (output - target)^2, and dz its gradient, divided by the batch.

    correct says whether the largest output is at the place of the largest target.
    """
    for i in range(start, stop):
        row, place = i * count, state[POSITION] + i
        target, best, wanted, total = order[place] * count, 0, 0, 0.0
        for k in range(count):
            best = k if outputs[row + k] > outputs[row + best] else best
            wanted = k if targets[target + k] > targets[target + wanted] else wanted
            difference = np.float64(outputs[row + k]) - np.float64(targets[target + k])
            total += difference * difference
            if len(dz):
                dz[row + k] = 2 * difference / (count * batch)
        losses[place] = total / count
        correct[place] = best == wanted
