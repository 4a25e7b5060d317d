"""What the Keras model's weights, outputs and spectra are: the others must find the same."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

TOLERANCE = 1e-4
"""Of the largest value: float32 roundings, added up over 57 layers in another order."""

_FILE = "reference.npz"


class Reference(NamedTuple):
    """The Keras model at one moment."""

    weights: dict[str, np.ndarray]  # by layer/weight, in Keras's layout
    inputs: np.ndarray  # [B, H, W, 3]
    outputs: np.ndarray  # [B, H, W, 1], of model(inputs, training=False)
    spectra: dict[str, np.ndarray]  # [C] by layer, of all positions of ``inputs``

    def save(self, folder: Path) -> None:
        """Writes it for another process."""
        arrays = {"inputs": self.inputs, "outputs": self.outputs}
        arrays |= {f"weights/{name}": array for name, array in self.weights.items()}
        arrays |= {f"spectra/{name}": array for name, array in self.spectra.items()}
        np.savez(folder / _FILE, **arrays)  # type: ignore[arg-type]


def load_reference(folder: Path) -> Reference:
    """What ``Reference.save`` wrote into the folder."""
    with np.load(folder / _FILE) as file:
        arrays = dict(file)
    return Reference(
        _below("weights/", arrays), arrays["inputs"], arrays["outputs"], _below("spectra/", arrays)
    )


def assert_same_spectra(
    who: str, found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]
) -> None:
    """Checks that the same layers have the same eigenvalues, in whatever order.

    Raises:
        AssertionError: they differ; the message names the monitor and the layer.
    """
    if list(found) != list(expected):
        raise AssertionError(f"{who} monitors {list(found)}, not {list(expected)}")
    for name, eigenvalues in expected.items():
        np.testing.assert_allclose(
            np.sort(found[name]),
            np.sort(eigenvalues),
            rtol=0,
            atol=TOLERANCE * eigenvalues.max(),
            err_msg=f"{who}: eigenvalues of {name}",
        )


def _below(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
