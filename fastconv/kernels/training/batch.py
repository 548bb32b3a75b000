"""A batch of images from where they are stored, in the epoch's order, scaled and perhaps shifted.

What changes from one update to the next is kept in `state`, int64, in these places:
"""

from ...runtime.jit import jit
from .random import bits_of, key_of

POSITION, STEP, EPOCH, SEED, BEFORE, STATE_SIZE = range(6)
"""Where in the epoch's order the batch begins, how many updates this training has made, which epoch it is, the seed, and how many
updates the optimizer had made before this training."""


@jit
def gather(images, order, state, scale, x, start, stop):
    """x[i] = scale[0] * the image at place POSITION + i of the order, for the images start..stop of the batch."""
    size = len(images) // len(order) if len(order) else 0
    for i in range(start, stop):
        source, target = order[state[POSITION] + i] * size, i * size
        for p in range(size):
            x[target + p] = x.dtype.type(images[source + p]) * scale[0]


@jit
def gather_shifted(images, order, state, scale, x, height, width, channels, most, start, stop):
    """As gather, each image moved by up to `most` pixels down and across, at random by seed, epoch and image; zeros come in."""
    size = height * width * channels
    for i in range(start, stop):
        image = order[state[POSITION] + i]
        key = key_of(state[SEED], state[EPOCH], image, -1)
        down = int(bits_of(key, 0) % (2 * most + 1)) - most
        across = int(bits_of(key, 1) % (2 * most + 1)) - most
        first, last = max(0, across) * channels, min(width, width + across) * channels
        for row in range(height):
            target = i * size + row * width * channels
            if not 0 <= row - down < height:
                x[target : target + width * channels] = 0
                continue
            source = image * size + ((row - down) * width - across) * channels
            x[target : target + first] = 0
            for p in range(first, last):
                x[target + p] = x.dtype.type(images[source + p]) * scale[0]
            x[target + last : target + width * channels] = 0


@jit
def advance(state, batch, updates, start, stop):
    """Go on to the next batch, after so many updates."""
    state[POSITION] += batch
    state[STEP] += updates


@jit
def store(y, size, state, results, start, stop):
    """Write the batch's results, `size` numbers for each image, to their places among all; units are images."""
    for i in range(start, stop):
        for k in range(size):
            results[(state[POSITION] + i) * size + k] = y[i * size + k]
