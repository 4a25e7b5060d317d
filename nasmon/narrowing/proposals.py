"""Which widths to try next, by what others have shown. It needs no TensorFlow."""

from collections.abc import Callable, Sequence

import numpy as np

CostOf = Callable[[np.ndarray], float]

Propose = Callable[
    [Sequence[np.ndarray], Sequence[float], CostOf, np.random.Generator], list[np.ndarray]
]
"""As ``proposed``."""

CHANGED, SPREAD, MOST_UNEVEN = 3, 0.4, np.log(2.0)
"""Groups that a proposal changes at most; by how much, as a standard deviation of logarithms of
shares; and how far any share may be from all others'. One that is trained for an epoch foretells
nothing about layers that hardly are there any more."""

CANDIDATES = 8
"""Among which the model's choice is made: all that it knows is used, and chance is left some."""

FEWEST = 6
"""Tries before a model is fitted to them."""

_PENALTIES = 10.0 ** np.arange(-3, 3)


def proposed(
    tried: Sequence[np.ndarray],
    losses: Sequence[float],
    cost: CostOf,
    random: np.random.Generator,
) -> list[np.ndarray]:
    """Logarithms of the shares of groups, each [G], near the best so far, most promising first.

    Args:
        tried: logarithms of shares that were tried; the first of all alike.
        losses: of each.
        cost: what is foretold to be lost with such shares, before there are tries to learn from.
        random: draws candidates.
    """
    best = tried[int(np.argmin(losses))]
    candidates = [_near(best, random) for _ in range(CANDIDATES)]
    if len(tried) < FEWEST:
        return sorted(candidates, key=cost)
    foretold = ridge(np.stack(tried), np.asarray(losses))
    return sorted(candidates, key=lambda shares: float(foretold(shares[None])[0]))


def _near(shares: np.ndarray, random: np.random.Generator) -> np.ndarray:
    count = random.integers(1, min(CHANGED, len(shares)) + 1)
    changed = random.choice(len(shares), count, replace=False)
    near = shares.copy()
    near[changed] += random.normal(0, SPREAD, count)
    return np.clip(near, -MOST_UNEVEN, MOST_UNEVEN)


def ridge(shares: np.ndarray, losses: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A ridge regression of losses on shares and on how uneven those are.

    The penalty is the one of a few that foretells each try best from the others (leave one out).

    Args:
        shares: [N, G] float64.
        losses: [N] float64.

    Returns:
        From shares [M, G] to losses [M].
    """

    def features(given: np.ndarray) -> np.ndarray:
        return np.column_stack([given, (given**2).sum(1)])

    x = features(shares)
    center, middle = x.mean(0), losses.mean()
    u, s, v = np.linalg.svd(x - center, full_matrices=False)
    y = losses - middle

    def left_out(penalty: float) -> float:
        hat = (u * (s**2 / (s**2 + penalty))) @ u.T
        rest = y - hat @ y
        return float(np.sum((rest / (1 - 1 / len(y) - np.diag(hat)).clip(1e-6)) ** 2))

    penalty = min(_PENALTIES, key=left_out)
    weights = v.T @ (s / (s**2 + penalty) * (u.T @ y))
    return lambda given: (features(given) - center) @ weights + middle
