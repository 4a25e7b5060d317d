"""Widths found by trying: each carried over, trained for a while, and judged on unseen data."""

import hashlib
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from nasmon.errors import UsageError
from nasmon.narrowing.labelled import Labelled, read_labelled
from nasmon.narrowing.planner import Choices
from nasmon.narrowing.rebuild import Build
from nasmon.narrowing.trainings import Course, Trainings
from nasmon.narrowing.tries_file import TriesFile, Try
from nasmon.progress import Progress
from nasmon.values import checked, not_text, optional, path, real, whole

PARTS = (0.6, 0.2)
"""Of the data: to train tries on, and to rank them by; the rest judges the best of them, which are
trained on both of these."""

SPREAD, MOST_UNEVEN = 0.4, math.log(2)
"""Of the shares of groups that are tried: the standard deviation of their logarithms, and how far
any may be from uniform ones. A layer that is hardly there any more foretells nothing in an epoch.
"""

PATIENCE = 0.5
"""A share of the tries; after so many without a better one the search ends."""


class Search(NamedTuple):
    """How widths are searched for.

    Example:
        >>> Search(tries=30, file="tries.csv").epochs
        1
    """

    tries: int = 20  # uniform widths among them
    epochs: int = 1  # of a try
    finalists: int = 2  # beside uniform widths
    final_epochs: int = 2
    seeds: int = 3  # of each finalist's trainings
    batch_size: int | None = None  # None: a dataset's own, Keras's 32 of arrays
    learning_rate: float | None = None  # at the start of a training; None: the optimizer's own
    seed: int = 0  # of how the data are parted, and of what is tried
    file: str | os.PathLike[str] | None = None  # a CSV of the tries, where a search goes on


class Searched(NamedTuple):
    """What a search came to."""

    tries: tuple[Try, ...]
    won: bool  # False: uniform widths were not beaten
    words: str


def searched(
    choices: Choices,
    data: Any,
    options: Search,
    build: Build | None,
    verbose: bool = False,
) -> tuple[dict[str, int], Searched]:
    """Searches for widths that are better than uniform ones.

    Widths drawn at random around uniform ones are tried: carried over, trained and ranked by their
    loss. (Proposals that learn from the tries did no better: ``bench/SHRINKING.md``.) Then the best
    of them and the uniform ones are trained for longer, with several seeds, and
    judged on data that the search did not see. Uniform widths come back unless others have a lower
    loss there with every seed.

    Args:
        choices: the widths that may be.
        data: inputs with labels, to train and to judge on; all of them are read into memory.
        options: how to search.
        build: as for ``narrow``.
        verbose: whether to show progress.

    Returns:
        Widths by leader, and how they were found.

    Raises:
        UsageError: data or options that cannot be.
    """
    options = Search(**checked(_OPTIONS, **options._asdict()))
    model = choices.seen.traced.model
    if not model.compiled:
        raise UsageError("a search trains, and needs a model that is compiled")
    labelled = read_labelled(data, options.batch_size)
    return _Searching(choices, labelled, options, build, verbose).run()


_OPTIONS = {
    **dict.fromkeys(("tries", "epochs", "final_epochs", "seeds", "finalists"), not_text(whole(1))),
    "batch_size": optional(not_text(whole(1))),
    "learning_rate": optional(not_text(real(0, above=True))),
    "seed": not_text(whole(0)),
    "file": optional(path),
}


class _Searching:
    def __init__(
        self,
        choices: Choices,
        data: Labelled,
        options: Search,
        build: Build | None,
        verbose: bool,
    ) -> None:
        self._choices, self._options = choices, options
        self._train, self._ranked_on, self._judge = data.parts(PARTS, options.seed)
        if min(part.samples for part in (self._train, self._ranked_on, self._judge)) < 1:
            raise UsageError(f"a search parts its data in three; there are {data.samples} samples")
        self._both = data.part(_all_but(self._judge, data, options.seed))
        self._leaders = [group.leader for group in choices.free]
        self._trainings = Trainings(choices.seen, build, options.learning_rate)
        self._log = TriesFile(options.file, _key(choices, data, options))
        self._verbose = verbose
        self._alive: dict[tuple[int, ...], np.ndarray] = {}

    def run(self) -> tuple[dict[str, int], Searched]:
        uniform = self._choices.widths()
        tries = self._tried(uniform)
        better = sorted((t for t in tries if t.loss < tries[0].loss), key=lambda t: t.loss)
        if not better:
            return uniform, Searched(
                tuple(tries), False, f"none of {len(tries)} tries was better than uniform widths"
            )
        finalists = [tries[0], *better[: self._options.finalists]]
        finals = []
        done = f"trained {len(finalists)} finalists"
        with Progress(done, self._verbose, len(finalists), alike=True) as progress:
            for one in finalists:
                progress.begin("training finalists")
                finals.append(self._final(one))
        return self._decided(uniform, tries, finals)

    def _tried(self, uniform: Mapping[str, int]) -> list[Try]:
        options = self._options
        with Progress("tried widths", self._verbose, options.tries, alike=True) as progress:
            progress.begin("trying uniform widths")
            tries = [self._try(0, uniform)]
            while len(tries) < options.tries and not self._tired(tries):
                random = np.random.default_rng([options.seed, len(tries)])
                widths = self._next(tries, random)
                if widths is None:
                    break
                best = min(one.loss for one in tries)
                losses = f"loss {tries[0].loss:.4g} of uniform ones, {best:.4g} of the best"
                progress.begin(f"trying widths, {losses}")
                tries.append(self._try(len(tries), widths))
        return tries

    def _tired(self, tries: Sequence[Try]) -> bool:
        best = min(range(len(tries)), key=lambda i: tries[i].loss)
        return len(tries) - 1 - best > max(PATIENCE * self._options.tries, 4)

    def _next(self, tries: Sequence[Try], random: np.random.Generator) -> dict[str, int] | None:
        """Widths that were not tried; None if there seem to be none."""
        for _ in range(ATTEMPTS):
            logs = random.normal(0, SPREAD, len(self._leaders)).clip(-MOST_UNEVEN, MOST_UNEVEN)
            shares = dict(zip(self._leaders, np.exp(logs).tolist(), strict=True))
            widths = self._choices.widths(shares)
            if all(widths != one.widths for one in tries):
                return widths
        return None

    def _try(self, number: int, widths: Mapping[str, int]) -> Try:
        options = self._options
        course = Course(self._train, self._ranked_on, options.epochs, options.seed)
        return self._trained("try", number, widths, course)

    def _final(self, one: Try) -> list[Try]:
        options = self._options
        return [
            self._trained(
                "final",
                one.number,
                one.widths,
                Course(self._both, self._judge, options.final_epochs, options.seed + 1 + seed),
            )
            for seed in range(options.seeds)
        ]

    def _trained(self, stage: str, number: int, widths: Mapping[str, int], course: Course) -> Try:
        known = self._log.find(stage, number, course.seed, widths)
        if known is not None:
            return known
        begun = time.perf_counter()
        key = tuple(widths.values())
        if key not in self._alive:
            self._alive[key] = self._choices.seen.alive(widths)
        loss = self._trainings.loss(self._alive[key], course)
        seconds = time.perf_counter() - begun
        found = Try(stage, number, course.seed, dict(widths), loss, seconds)
        self._log.add(found)
        return found

    def _decided(
        self, uniform: dict[str, int], tries: Sequence[Try], finals: Sequence[Sequence[Try]]
    ) -> tuple[dict[str, int], Searched]:
        means = [float(np.mean([one.loss for one in final])) for final in finals]
        best = int(np.argmin(means))
        won = best > 0 and all(
            found.loss < alike.loss for found, alike in zip(finals[best], finals[0], strict=True)
        )
        everything = (*tries, *(one for final in finals for one in final))
        if won:
            words = f"loss {means[best]:.4g} where uniform widths have {means[0]:.4g}"
            return finals[best][0].widths, Searched(everything, True, words)
        others = min(means[1:])
        words = f"uniform widths have a loss of {means[0]:.4g}, the best of others {others:.4g}"
        if others < means[0]:
            words += ", not with every seed"
        return uniform, Searched(everything, False, words)


ATTEMPTS = 20
"""To draw widths that were not tried yet."""


def _all_but(judge: Labelled, data: Labelled, seed: int) -> np.ndarray:
    """The samples of the first two parts."""
    order = np.random.default_rng(seed).permutation(data.samples)
    return np.sort(order[: data.samples - judge.samples])


def _key(choices: Choices, data: Labelled, options: Search) -> str:
    """What tells a search from others: the model's weights, the data, what may be, and how."""
    told = hashlib.sha256()
    arrays = [np.asarray(weight) for weight in choices.seen.traced.model.weights]
    arrays += [np.asarray(array) for array in tf.nest.flatten(data.arrays)]
    for array in arrays:
        told.update(np.ascontiguousarray(array).tobytes())
    settings = options._asdict()
    # with more tries a search goes on, with others it is another file
    for name in ("tries", "file", "finalists", "seeds"):
        del settings[name]
    told.update(json.dumps([choices.widths(), settings, data.batch], default=str).encode())
    return told.hexdigest()[:12]
