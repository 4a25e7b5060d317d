"""Which channels a layer's consumers can do without, and how the others stand in for them.

A consumer mixes what it receives: y = W' x, with x of N columns and covariance S. Where only the
columns K are kept, the best that they can stand in for the others is by least squares, and what is
lost of the output's variance is the cost tr(A (S - S_:K S_KK^-1 S_K:)), A = W F W', with a weight F
for each output. Of a convolution, A is summed over the positions of its kernel. A group of channels
may have several consumers, and a consumer several columns a channel (behind a flattening) and such
of other groups, which are taken as kept (beside a concatenation); costs are summed as shares of
tr(A S).

Channels leave one by one, the cheapest first, with the rest solved again each time: the block form
of Optimal Brain Surgeon (Frantar and Alistarh, arXiv 2208.11580). Or they enter one by one: pivoted
Cholesky, weighted by A. One update serves both. Float64 NumPy: it is done once, of layers that
differ in shape, for each of which XLA would need longer to compile than NumPy to be done.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

AT_ONCE = 64
"""Of so many channels one leaves at a time, of twice as many two."""

_APART = 0.05
"""A share by which it may cost more if channels leave at once than one by one."""

SWAPS = 64
"""Exchanges that ``swapped`` makes at most."""


class Consumer(NamedTuple):
    """A layer that mixes a group's channels, all float64 NumPy arrays."""

    covariance: np.ndarray  # [N, N]  of what it receives
    gram: np.ndarray  # [N, N]  A: how much of its output each pair of columns makes
    columns: np.ndarray  # [C, s]  int: the columns of each of the group's channels
    rows: float = np.inf  # that the covariance was estimated from; infinite if it is known
    inverse: np.ndarray | None = None  # as of ``inverse_of(covariance)``, where it is known already


class Order(NamedTuple):
    """Channels by how much is lost without them."""

    channels: np.ndarray  # [C] int: the first k of them are those to keep of k
    # [C + 1]: what is lost with k of them, for k from 0 to C, as shares summed over the consumers;
    # infinite where it is not known
    costs: np.ndarray


def leaving(consumers: Sequence[Consumer]) -> Order:
    """Backward elimination: the cheapest channel leaves, the rest are solved again.

    Args:
        consumers: of one group, with the same number of channels C; at least one.

    Returns:
        All channels; costs never rise with the number that is kept, up to rounding. Of many
        channels several leave at once where they do so independently, and the costs between are
        shared out.

    Example:
        >>> doubled = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 4.0]])
        >>> order = leaving([Consumer(doubled, np.eye(3), np.arange(3)[:, None])])
        >>> int(order.channels[0]), np.round(order.costs, 3).tolist()
        (2, [1.0, 0.333, 0.0, 0.0])
    """
    chosen, costs = _away([_to_leave(one) for one in consumers])
    costs = np.maximum(costs - _noise(consumers)[chosen], 0)
    return Order(chosen[::-1], np.concatenate([[0.0], np.cumsum(costs)])[::-1])


def entering(consumers: Sequence[Consumer], most: int | None = None) -> Order:
    """Forward selection: the channel enters that leaves the least to be lost.

    Args:
        consumers: as for ``leaving``.
        most: channels to take; all if None. The others follow in any order, at unknown costs.
    """
    parts = []
    for one in consumers:
        left = _ridged(one.covariance)
        others = np.setdiff1d(np.arange(len(left)), one.columns)
        left = _residual(left, others)
        weighted = left @ one.gram @ left
        parts.append(_Part(left, weighted, one.columns, _share(one)))
    # what the group is worth at all: without any of it
    total = sum(
        part.share * np.sum(part.left * one.gram)
        for part, one in zip(parts, consumers, strict=True)
    )
    chosen, gains = _one_by_one(parts, most)
    every = len(consumers[0].columns)
    rest = np.setdiff1d(np.arange(every), chosen)
    noise = _noise(consumers)
    total -= noise.sum()
    costs = total - np.concatenate([[0.0], np.cumsum(gains - noise[chosen])])
    unknown = np.full(len(rest), np.inf)
    return Order(np.concatenate([chosen, rest]), np.concatenate([np.maximum(costs, 0), unknown]))


def swapped(
    consumers: Sequence[Consumer], kept: np.ndarray, blocks: int = 1, most: int = SWAPS
) -> np.ndarray:
    """The channels to keep after exchanging single ones as long as that lowers the cost.

    Args:
        consumers: as for ``leaving``.
        kept: [k] int, where to begin.
        blocks: as for ``orders.in_blocks``: a channel is exchanged for one of its own block.
        most: exchanges.

    Returns:
        [k] int, ascending; no exchange of one for another would be better, or ``most`` were made.
    """
    kept, count = np.sort(kept), len(consumers[0].columns)
    outside = np.setdiff1d(np.arange(count), kept)
    for _ in range(most if len(outside) and len(kept) else 0):
        changes = np.sum([_changes(one, kept, outside) for one in consumers], axis=0)
        apart = (kept * blocks // count)[:, None] != outside * blocks // count
        changes[apart] = np.inf
        least = np.unravel_index(np.argmin(changes), changes.shape)
        if changes[least] >= -_SMALLEST_GAIN:
            break
        out, into = kept[least[0]], outside[least[1]]
        kept = np.sort(np.append(kept[kept != out], into))
        outside = np.sort(np.append(outside[outside != into], out))
    return kept


_SMALLEST_GAIN = 1e-9
"""A share of a consumer's output below which an exchange is rounding."""


def cost(consumers: Sequence[Consumer], kept: np.ndarray) -> float:
    """What is lost with these channels alone, as shares summed over the consumers.

    Args:
        consumers: as for ``leaving``.
        kept: [k] int.
    """
    outside = np.setdiff1d(np.arange(len(consumers[0].columns)), kept)
    lost = sum(_share(one) * np.sum(_left(one, kept) * one.gram) for one in consumers)
    return max(0.0, float(lost - _noise(consumers)[outside].sum()))


class _Part(NamedTuple):
    """A consumer while channels leave or enter."""

    left: np.ndarray  # [N, N]  an inverse, or what is not stood in for yet; changed in place
    weighted: np.ndarray  # [N, N]  weighted by A; changed in place
    columns: np.ndarray  # [C, s]
    share: float


def _to_leave(one: Consumer) -> _Part:
    """A consumer from which channels leave: what is there of other groups stays, and so their
    columns are needed no more once the inverse is known.
    """
    own = one.columns.ravel()
    block = np.ix_(own, own)
    columns = np.arange(len(own)).reshape(one.columns.shape)
    inverse = inverse_of(one.covariance) if one.inverse is None else one.inverse
    return _Part(inverse[block], one.gram[block], columns, _share(one))


def _one_by_one(parts: Sequence[_Part], most: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Channels as they enter, and what each gains."""
    count = len(parts[0].columns)
    there = np.arange(count)
    chosen, changes = [], []
    for _ in range(count if most is None else min(most, count)):
        of_parts = [
            part.share * _quotients(part.weighted, part.left, part.columns[there]) for part in parts
        ]
        quotients = np.sum(of_parts, axis=0)
        best = int(np.argmax(quotients))
        channel = int(there[best])
        chosen.append(channel)
        changes.append(max(0.0, float(quotients[best])))
        there = np.delete(there, best)
        for part in parts:
            _sweep(part, part.columns[channel])
    return np.array(chosen, int), np.array(changes)


def _away(parts: Sequence[_Part]) -> tuple[np.ndarray, np.ndarray]:
    """Channels as they leave, and what each costs."""
    there = np.arange(len(parts[0].columns))
    chosen: list[int] = []
    changes: list[float] = []
    while len(there):
        of_parts = [
            part.share * _quotients(part.weighted, part.left, part.columns[there]) for part in parts
        ]
        quotients = np.maximum(np.sum(of_parts, axis=0), 0)
        order = np.argsort(quotients, kind="stable")[: max(1, len(there) // AT_ONCE)]
        together = _together(parts, there[order])
        # of two that stand in for each other one can leave
        while len(order) > 1 and together > (1 + _APART) * quotients[order].sum() + _SMALLEST_GAIN:
            order = order[: len(order) // 2]
            together = _together(parts, there[order])
        own = quotients[order]
        scale = together / own.sum() if own.sum() > 0 else 0.0
        chosen += there[order].tolist()
        changes += (scale * own).tolist()
        for part in parts:
            _sweep(part, part.columns[there[order]].ravel())
        there = np.delete(there, order)
        parts = [_smaller(part, chosen, there) for part in parts]
    return np.array(chosen, int), np.array(changes)


def _smaller(part: _Part, gone: Sequence[int], there: np.ndarray) -> _Part:
    """A part without the columns of channels that are gone, once they are a good share of it."""
    size, away = len(part.left), part.columns[gone]
    if 4 * np.count_nonzero(away >= 0) < size:
        return part
    rest = np.setdiff1d(np.arange(size), away)
    columns = np.full_like(part.columns, -1)  # of no column any more
    columns[there] = np.searchsorted(rest, part.columns[there])
    own = np.ix_(rest, rest)
    return part._replace(left=part.left[own], weighted=part.weighted[own], columns=columns)


def _together(parts: Sequence[_Part], channels: np.ndarray) -> float:
    """What it costs if these channels leave at once."""
    costs = [
        part.share * _quotients(part.weighted, part.left, part.columns[channels].reshape(1, -1))[0]
        for part in parts
    ]
    return max(0.0, float(sum(costs)))


def _sweep(part: _Part, columns: np.ndarray) -> None:
    """Takes some columns out of both matrices, as elimination does."""
    left, weighted = part.left, part.weighted
    taken = np.linalg.solve(left[np.ix_(columns, columns)], left[columns])  # [s, N]
    half = weighted[columns] - weighted[np.ix_(columns, columns)] @ taken / 2
    weighted -= np.concatenate([taken, half]).T @ np.concatenate([half, taken])
    left -= left[:, columns] @ taken
    for matrix in (left, weighted):
        matrix[columns] = 0
        matrix[:, columns] = 0
    # so that it can be solved again, if asked: a column that is gone stands alone
    left[columns, columns] = 1


def _quotients(weighted: np.ndarray, left: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """For each row of ``columns`` the trace of left^-1 weighted within them, [len(columns)]."""
    if columns.shape[1] == 1:
        own = columns[:, 0]
        return weighted[own, own] / left[own, own]
    rows, others = columns[:, :, None], columns[:, None, :]
    return np.trace(np.linalg.solve(left[rows, others], weighted[rows, others]), axis1=1, axis2=2)


def _changes(one: Consumer, kept: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """By how much the cost changes, [k, C - k], if one channel leaves and another enters."""
    ridged, own = _ridged(one.covariance), one.columns[kept]
    there = np.setdiff1d(np.arange(len(ridged)), one.columns[outside])
    inverse = np.linalg.inv(ridged[np.ix_(there, there)])
    solved = inverse @ ridged[there]  # [K, N]
    left = ridged - ridged[:, there] @ solved
    heard = left @ one.gram
    weighted = heard @ left
    changes = []
    for columns in own:
        places = np.searchsorted(there, columns)
        # what these stood for, as rows whose outer products are added to what is left
        root = np.linalg.cholesky(np.linalg.inv(inverse[np.ix_(places, places)]))
        rows = root.T @ solved[places]
        product = heard @ rows.T @ rows
        more = rows.T @ (rows @ one.gram @ rows.T) @ rows
        worse = float(np.sum((rows @ one.gram) * rows))
        quotients = _quotients(
            weighted + product + product.T + more, left + rows.T @ rows, one.columns[outside]
        )
        changes.append(worse - quotients)
    return _share(one) * np.array(changes)


def _left(one: Consumer, kept: np.ndarray) -> np.ndarray:
    """What cannot be stood in for without the group's other channels, [N, N]."""
    outside = np.setdiff1d(np.arange(len(one.columns)), kept)
    there = np.setdiff1d(np.arange(len(one.covariance)), one.columns[outside])
    return _residual(_ridged(one.covariance), there)


def _residual(ridged: np.ndarray, there: np.ndarray) -> np.ndarray:
    if not len(there):
        return ridged.copy()
    own = ridged[np.ix_(there, there)]
    return ridged - ridged[:, there] @ np.linalg.solve(own, ridged[there])


def inverse_of(covariance: np.ndarray) -> np.ndarray:
    """The inverse of a covariance, with what ``rounding`` says on its diagonal, [N, N]."""
    return np.linalg.inv(_ridged(covariance))


def _ridged(covariance: np.ndarray) -> np.ndarray:
    return covariance + rounding(covariance) * np.eye(len(covariance))


def _noise(consumers: Sequence[Consumer]) -> np.ndarray:
    """What ``_ridged`` adds to the cost of each channel that is gone, [C]: it is none of it."""
    return np.sum(
        [
            _share(one) * rounding(one.covariance) * np.diag(one.gram)[one.columns].sum(axis=1)
            for one in consumers
        ],
        axis=0,
    )


def rounding(covariance: np.ndarray) -> float:
    """Variance below which a covariance of float32 products is nothing but their rounding."""
    precision = np.finfo(np.float32)
    return max(float(precision.eps) * float(np.trace(covariance)), float(precision.tiny))


def _share(one: Consumer) -> float:
    """What turns variances of its output into shares; 0 of one whose output is constant."""
    total = float(np.sum(one.gram * one.covariance))
    return 1 / total if total > 0 else 0.0
