"""A reading that was launched and is not collected yet, and the account of its time.

What the host spends on a reading it sees. What a device does meanwhile that works asynchronously is
measured from the host: from when it came to the reading until its numbers were there. That is an
upper bound, as the copies, and the gaps in which the device waits for the host, are in it; it is
right but for the moment in which a thread wakes up.
"""

from typing import NamedTuple

from nasmon.budget import Price
from nasmon.fetching import Arrived
from nasmon.probe import Launched


class InFlight(NamedTuple):
    """A reading on its way; times are on the budget's clock."""

    launched: Launched
    epoch: int
    chunks: int
    postponed: int
    seconds: float  # the host's, so far
    since: float  # when the host went on
    trained: float  # seconds of training until then

    def unseen(self, arrived: Arrived, now: float) -> float:
        """Seconds that the device was at the reading while the host went on, until now."""
        return max(0.0, min(arrived.done, now) - max(arrived.begun, self.since))

    def price(self, seconds: float, known: Price) -> Price:
        """What a reading costs, as this one did.

        Args:
            seconds: of all of it.
            known: what the rehearsal took, whose proportions are taken where the host cannot see
                what a chunk takes.
        """
        chunk = self.launched.chunk_seconds
        if chunk is None:
            chunk = known.chunk * seconds / known.of(self.chunks)
        return Price(chunk, max(0.0, seconds - chunk * self.chunks))
