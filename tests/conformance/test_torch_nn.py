"""Networks beside the same ones in PyTorch: losses and gradients, batch normalisation's statistics, optimizers and schedules."""

import numpy as np
import pytest

from fastconv import nn

from ..networks import NETWORKS, Network

torch = pytest.importorskip("torch")
F = torch.nn.functional


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """PyTorch's threads take milliseconds to do these microseconds of work where there are few CPUs."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# Larger ones than for finite differences, so that the fast kernels are chosen.
LARGER = [
    Network(
        "3x3",
        lambda: [
            nn.Conv2D(16, 3, activation="relu"),
            nn.MaxPool2D(2),
            nn.Conv2D(32, 3, padding="same"),
            nn.BatchNorm(),
            nn.LeakyReLU(0.1),
            nn.MaxPool2D(2, ties="first"),
            nn.Flatten(),
            nn.Dense(64, activation="relu"),
            nn.Dense(3),
        ],
        (26, 22, 3),
    ),
    Network(
        "separable",
        lambda: [
            nn.Conv2D(16, 3, stride=2, padding=1, use_bias=False),
            nn.BatchNorm(),
            nn.ReLU(),
            nn.DepthwiseConv2D(3, padding=1),
            nn.Conv2D(128, 1),
            nn.BatchNorm(),
            nn.ReLU(),
            nn.Conv2D(128, 1, activation="leaky_relu"),
            nn.Conv2D(32, 3, groups=4),
            nn.GlobalAvgPool2D(),
            nn.Dense(3),
        ],
        (25, 24, 1),
    ),
]


def pads_of(layer):
    """Return a layer's padding as F.pad takes it, for the options that the networks have."""
    padding = {"valid": 0, "same": 1}.get(layer.padding, layer.padding)
    (top, bottom), (left, right) = padding if isinstance(padding, tuple) else ((padding, padding),) * 2
    return left, right, top, bottom


def same_pads(size, stride):
    """Return (before, after) of "same" for a kernel of 3."""
    total = max(0, (-(-size // stride) - 1) * stride + 3 - size)
    return total // 2, total - total // 2


def activate(x, name):
    return {None: lambda x: x, "relu": F.relu, "leaky_relu": lambda x: F.leaky_relu(x, 0.01)}[name](x)


def forward(model, weights, x, training=True):
    """Return the results (n, outputs) for images (n, h, w, c), and all batch normalisations' running statistics afterwards."""
    x, running = torch.moveaxis(x, -1, 1), {}
    for number, layer in enumerate(model.layers):
        own = {name.partition(".")[2]: w for name, w in weights.items() if name.startswith(f"{number}.")}
        match type(layer).__name__:
            case "Conv2D" | "DepthwiseConv2D":
                if layer.padding == "same":
                    stride = layer.stride
                    (top, bottom), (left, right) = (same_pads(n, stride) for n in x.shape[2:])
                    x = F.pad(x, (left, right, top, bottom))
                else:
                    x = F.pad(x, pads_of(layer))
                groups = x.shape[1] if isinstance(layer, nn.DepthwiseConv2D) else layer.groups
                kernel = own["kernel"].permute(3, 2, 0, 1)
                x = F.conv2d(x, kernel, own.get("bias"), layer.stride, 0, layer.dilation, groups)
                x = activate(x, layer.activation)
            case "Dense":
                x = activate(F.linear(x, own["kernel"].T, own.get("bias")), layer.activation)
            case "MaxPool2D":
                padding = 0 if layer.padding == "valid" else layer.padding
                x = F.max_pool2d(x, layer.kernel_size, layer.stride, padding, 1, layer.ceil_mode)
            case "AvgPool2D":
                padding = 0 if layer.padding == "valid" else layer.padding
                x = F.avg_pool2d(x, layer.kernel_size, layer.stride, padding, layer.ceil_mode, layer.count_include_pad)
            case "GlobalAvgPool2D":
                x = x.mean(dim=(2, 3))
            case "Flatten":
                x = torch.movedim(x, 1, -1).flatten(1)
            case "ReLU":
                x = F.relu(x)
            case "LeakyReLU":
                x = F.leaky_relu(x, layer.slope)
            case "ZeroPad2D":
                x = F.pad(x, pads_of(layer))
            case "BatchNorm":
                mean, variance = (own[f"running_{name}"].detach().clone() for name in ("mean", "var"))
                x = F.batch_norm(x, mean, variance, own["gamma"], own["beta"], training, layer.momentum, layer.epsilon)
                running |= {f"{number}.running_mean": mean, f"{number}.running_var": variance}
            case other:
                raise NotImplementedError(other)
    return x, running


def tensors(model):
    """Return a model's arrays as tensors, the trained ones as leaves that get gradients."""
    arrays = {name: torch.tensor(array) for name, array in model.get_weights().items()}
    return {name: tensor.requires_grad_("running" not in name) for name, tensor in arrays.items()}


def loss_of(network, results, y):
    return F.cross_entropy(results, y) if network.loss == "cross_entropy" else F.mse_loss(results, y)


def flat(weights, values):
    """Return values of the trained weights in one vector, as model.parameters."""
    return np.concatenate([value.detach().numpy().ravel() for name, value in values.items() if weights[name].requires_grad])


COMPARED = [n for n in NETWORKS + LARGER if not any(isinstance(layer, nn.Dropout) for layer in n.layers())]


@pytest.mark.parametrize("network", COMPARED, ids=lambda network: network.name)
def test_losses_gradients_and_statistics(network):
    model, (x, y) = network.model("float32"), network.data("float32")
    weights = tensors(model)
    results, running = forward(model, weights, torch.tensor(x))
    theirs = loss_of(network, results, torch.tensor(y))
    theirs.backward()
    loss, gradient = model.gradient(x, y, loss=network.loss, threads=1)
    expected = flat(weights, {name: w.grad if w.requires_grad else w for name, w in weights.items()})
    assert loss == pytest.approx(theirs.item(), rel=1e-5)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    model.fit(x, y, batch_size=len(x), loss=network.loss, optimizer=nn.SGD(0.0), progress=False, threads=1)
    for name, value in running.items():
        np.testing.assert_allclose(model.get_weights()[name], value, rtol=1e-5, atol=1e-5)
    model.loss = "mean_squared_error"  # results as they are
    with torch.no_grad():
        expected = forward(model, tensors(model), torch.tensor(x), training=False)[0].numpy()
    np.testing.assert_allclose(model.predict(x, threads=1), expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


SMALL = Network("small", lambda: [nn.Conv2D(4, 3), nn.ReLU(), nn.Flatten(), nn.Dense(3)], (5, 6, 1))
SQUARE = Network("square", lambda: [nn.Conv2D(8, 3, activation="relu"), nn.MaxPool2D(2), nn.Flatten(), nn.Dense(3)], (9, 9, 1))
"""Of the kind that the engine may train image by image."""
OPTIMIZERS = {
    "sgd": (nn.SGD(0.3), lambda p: torch.optim.SGD(p, 0.3)),
    "momentum": (nn.SGD(0.2, 0.9), lambda p: torch.optim.SGD(p, 0.2, 0.9)),
    "nesterov": (nn.SGD(0.2, 0.8, True, 0.05), lambda p: torch.optim.SGD(p, 0.2, 0.8, weight_decay=0.05, nesterov=True)),
    "decay": (nn.SGD(0.2, 0.9, weight_decay=0.05), lambda p: torch.optim.SGD(p, 0.2, 0.9, weight_decay=0.05)),
    "adam": (nn.Adam(0.02), lambda p: torch.optim.Adam(p, 0.02)),
    "adam, decay": (
        nn.Adam(0.02, (0.8, 0.95), 1e-6, 0.1),
        lambda p: torch.optim.Adam(p, 0.02, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1),
    ),
    "adamw": (nn.AdamW(0.02, weight_decay=0.2), lambda p: torch.optim.AdamW(p, 0.02, weight_decay=0.2)),
}
UPDATES = 14
SCHEDULES = {
    "constant": (None, None),
    "step": (nn.Step(4, 0.5), lambda o: torch.optim.lr_scheduler.StepLR(o, 4, 0.5)),
    "cosine": (nn.Cosine(0.1), lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, UPDATES, 0.1 * o.param_groups[0]["lr"])),
    "one cycle": (
        nn.OneCycle(0.4, 10, 100),
        lambda o: torch.optim.lr_scheduler.OneCycleLR(
            o, o.param_groups[0]["lr"], UPDATES, pct_start=0.4, div_factor=10, final_div_factor=100, cycle_momentum=False
        ),
    ),
}
PAIRS = [(optimizer, "constant") for optimizer in OPTIMIZERS] + [("momentum", "step"), ("adamw", "cosine"), ("adam", "one cycle")]


@pytest.mark.parametrize("dtype, close", [("float32", 1e-5), ("float64", 1e-11)], ids=["float32", "float64"])
@pytest.mark.parametrize(
    "network, optimizer, schedule",
    [(SMALL, *pair) for pair in PAIRS] + [(SQUARE, "sgd", "constant"), (SQUARE, "adam", "cosine")],
    ids=lambda value: getattr(value, "name", value),
)
def test_training(network, optimizer, schedule, dtype, close):
    mine, make = OPTIMIZERS[optimizer]
    model, (x, y) = network.model(dtype), network.data(dtype)
    weights, expected = tensors(model), []
    theirs = make(list(weights.values()))
    factors, make_schedule = SCHEDULES[schedule]
    scheduler = make_schedule(theirs) if make_schedule else None
    for update in range(UPDATES):
        theirs.zero_grad()
        loss = F.cross_entropy(forward(model, weights, torch.tensor(x))[0], torch.tensor(y))
        loss.backward()
        expected.append(loss.item())
        theirs.step()
        if scheduler and update < UPDATES - 1:
            scheduler.step()
    history = model.fit(x, y, epochs=UPDATES, batch_size=len(x), optimizer=mine, schedule=factors, progress=False, threads=1)
    np.testing.assert_allclose(history["loss"], expected, rtol=close, atol=close)
    np.testing.assert_allclose(model.parameters, flat(weights, weights), rtol=close, atol=close)


@pytest.mark.parametrize("updates", [1, 2, 3, 10, 37])
@pytest.mark.parametrize("warmup", [0.0, 0.25, 0.3, 0.97])  # where their product is 1, PyTorch divides by zero
def test_one_cycle_of_any_length(updates, warmup):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1.0, updates, pct_start=warmup, cycle_momentum=False)
    expected = []
    for update in range(updates):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if update < updates - 1:
            scheduler.step()
    np.testing.assert_allclose(nn.OneCycle(warmup).factors(updates, updates), expected, rtol=1e-12)
