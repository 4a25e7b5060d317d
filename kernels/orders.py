"""Orders in which channels leave, as blocks and the rows that they were estimated from allow."""

from collections.abc import Sequence

import numpy as np

from nasmon.kernels.selection import Consumer, Order, cost


def in_blocks(consumers: Sequence[Consumer], order: Order, blocks: int) -> Order:
    """An order of which each k that is a multiple of ``blocks`` has as many channels in each block.

    Within a block channels stay in order. With a number between two multiples the lower is lost.

    Args:
        consumers: as for ``leaving``; none if costs are not known.
        order: of all channels.
        blocks: of like length, of which the channels are made, in their own order.

    Example:
        >>> order = Order(np.array([3, 2, 0, 1]), np.full(5, np.nan))
        >>> in_blocks([], order, 2).channels.tolist()
        [3, 0, 2, 1]
    """
    if blocks == 1:
        return order
    count = len(order.channels)
    block = order.channels * blocks // count
    rank = np.empty(count, int)
    for one in range(blocks):
        rank[block == one] = np.arange(count // blocks)
    channels = order.channels[np.argsort(rank, kind="stable")]
    if not consumers:
        return Order(channels, order.costs)
    costs = [cost(consumers, channels[:kept]) for kept in range(0, count + 1, blocks)]
    return Order(channels, np.append(np.repeat(costs[:-1], blocks), costs[-1]))


def beyond_rows(consumers: Sequence[Consumer], order: Order, blocks: int = 1) -> Order:
    """An order with what is lost beyond the rows that were seen.

    With k columns fitted to n rows, n / (n - k - 1) times as much is left over of others as of
    these; with as many columns as rows nothing is left over of these, and of others it is not known
    (NaN).

    Args:
        consumers: as for ``leaving``.
        order: with their costs.
        blocks: as for ``in_blocks``.

    Example:
        >>> from nasmon.kernels.selection import leaving
        >>> one = Consumer(np.eye(4), np.eye(4), np.arange(4)[:, None], rows=5)
        >>> beyond_rows([one], leaving([one])).costs.round(2).tolist()
        [1.25, 1.25, 1.25, 1.25, 0.0]
    """
    kept = np.arange(len(order.channels))
    fitted = [
        (kept * one.columns.shape[1] + len(one.covariance) - one.columns.size) / blocks / one.rows
        for one in consumers
    ]
    # the worst of them, for their costs are one sum
    left = 1 - np.max(fitted, axis=0) - 1 / min(one.rows for one in consumers)
    factors = np.append(1 / np.where(left > 0, left, np.nan), 1)
    return Order(order.channels, order.costs * factors)
