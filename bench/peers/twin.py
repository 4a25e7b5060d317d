"""The PyTorch twin of ``nano_u``: the same layers by the same names, and the same weights."""

from collections import OrderedDict
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from bench.peers.reference import TOLERANCE, Reference
from nasmon.train.models import BATCH_NORM_MOMENTUM, BLOCKS_PER_STAGE, MODELS, POOLS, expand_widths

PARAMETERS = 37_848
"""Of nano_u, the moving statistics of batch normalisation included."""

_KERAS_EPSILON = 1e-3

_TORCH_NAMES = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def twin_of(reference: Reference) -> nn.Sequential:
    """The twin with the reference's weights; images [B, 3, H, W] to logits [B, 1, H, W].

    Raises:
        AssertionError: it has other parameters, or puts out something else.
    """
    model = nn.Sequential(OrderedDict(_layers()))
    state = {_torch_name(name): _torch_layout(name, w) for name, w in reference.weights.items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or any(not name.endswith("num_batches_tracked") for name in missing):
        raise AssertionError(f"the twin lacks {unexpected}, and has besides {missing}")
    _check(model, reference, sum(tensor.numel() for tensor in state.values()))
    return model


def to_torch(images: np.ndarray) -> torch.Tensor:
    """[B, H, W, C] to [B, C, H, W], contiguous."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, -1, 1)))


def _check(model: nn.Sequential, reference: Reference, parameters: int) -> None:
    if parameters != PARAMETERS:
        raise AssertionError(f"the twin has {parameters} parameters, not {PARAMETERS}")
    model.eval()
    with torch.no_grad():
        outputs = np.moveaxis(model(to_torch(reference.inputs)).numpy(), 1, -1)
    model.train()
    largest = float(np.abs(reference.outputs).max())
    np.testing.assert_allclose(outputs, reference.outputs, rtol=0, atol=TOLERANCE * largest)


def _layers() -> Iterator[tuple[str, nn.Module]]:
    """As ``train.models`` puts them together, without skips."""
    spec = MODELS["nano_u"]
    widths = iter(expand_widths(spec.widths))
    width = spec.input_shape[-1]

    def stage(name: str) -> Iterator[tuple[str, nn.Module]]:
        nonlocal width
        for number in range(1, BLOCKS_PER_STAGE + 1):
            before, width = width, next(widths)
            yield from _block(f"{name}_block{number}", before, width)

    for number, pool in enumerate(POOLS, start=1):
        yield from stage(f"down{number}")
        yield f"down{number}_pool", nn.MaxPool2d(pool)
    yield from stage("bottleneck")
    for number, pool in enumerate(reversed(POOLS), start=1):
        yield f"up{number}_upsample", nn.Upsample(scale_factor=pool, mode="nearest")
        yield from stage(f"up{number}")
    yield "head", nn.Conv2d(width, 1, 1)


def _block(name: str, before: int, width: int) -> Iterator[tuple[str, nn.Module]]:
    depthwise = nn.Conv2d(before, before, 3, padding=1, groups=before, bias=False)
    pointwise = nn.Conv2d(before, width, 1, bias=False)
    for role, convolution in (("depthwise", depthwise), ("pointwise", pointwise)):
        yield f"{name}_{role}", convolution
        # the two frameworks count momentum from opposite ends
        momentum = 1 - BATCH_NORM_MOMENTUM
        yield (
            f"{name}_{role}_norm",
            nn.BatchNorm2d(convolution.out_channels, _KERAS_EPSILON, momentum),
        )
        yield f"{name}_{role}_relu", nn.ReLU()


def _torch_name(name: str) -> str:
    layer, _, weight = name.partition("/")
    return f"{layer}.{_TORCH_NAMES[weight]}"


def _torch_layout(name: str, weight: np.ndarray) -> torch.Tensor:
    if not name.endswith("/kernel"):
        return torch.from_numpy(weight.copy())
    # Keras: [h, w, in, out], and [h, w, channels, 1] where each channel has its own
    order = (2, 3, 0, 1) if "depthwise" in name else (3, 2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(weight.transpose(order)))
