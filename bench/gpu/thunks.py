"""What a compiled program gives to a GPU, counted in the text of its thunks.

XLA runs a program as a sequence of thunks: kernels, copies, calls of libraries, loops over other
thunks, and CUDA graphs ("command buffers") of them, which the host launches as one.
"""

import re
from pathlib import Path
from typing import NamedTuple

COPIES = ("kCopy", "kMemzero", "kMemset32BitValue", "kDynamicMemcpy")
CONTAINERS = ("kSequential", "kConditional")
"""What launches nothing of its own. All branches of a condition are counted."""

LOOP, GRAPH = "kWhile", "kCommandBuffer"

BODY, CONDITION = "body:", "condition:"


class Counts(NamedTuple):
    """What one run of a program launches, what is in loops once for each trip."""

    kernels: int = 0
    copies: int = 0  # within the device, and memory set to zeros
    calls: int = 0  # of libraries
    graphed: int = 0  # of these three, in CUDA graphs
    graphs: int = 0  # launches of graphs
    unknown_loops: int = 0  # whose trips the text does not tell, counted as one

    @property
    def launched(self) -> int:
        """Kernels, copies and calls: what the profiler sees."""
        return self.kernels + self.copies + self.calls

    @property
    def submissions(self) -> int:
        """What the host hands over: graphs, and what is in none."""
        return self.launched - self.graphed + self.graphs

    def plus(self, **more: int) -> "Counts":
        """With so many more of some."""
        return self._replace(**{name: getattr(self, name) + n for name, n in more.items()})


class _Open(NamedTuple):
    """A thunk of others, whose lines are being read."""

    indent: int
    kind: str
    trips: int | None = None  # of a loop
    section: str = BODY

    @property
    def times(self) -> int:
        """How often what is in it runs."""
        if self.kind != LOOP or self.trips is None:
            return 1
        # with a known number of trips the condition is not asked
        return self.trips if self.section == BODY else 0


def counts(sequence: str, metadata: str, text: str) -> Counts:
    """Counts a program.

    Args:
        sequence: XLA's dump of its thunks, nested by indentation.
        metadata: of which instruction each thunk is.
        text: the optimised program, which tells the trips of its loops.
    """
    loops = _trips(metadata, text)
    found, above = Counts(), list[_Open]()
    for line in sequence.splitlines():
        indent = len(line) - len(line.lstrip())
        label = line.strip()
        if label == CONDITION:
            # not indented as its loop is, which is the thunk before
            above[-1] = above[-1]._replace(section=CONDITION)
            continue
        thunk = re.match(r"(\d+): (k\w+)", label)
        if thunk or label == BODY:
            while above and above[-1].indent >= indent:
                above.pop()
        if label == BODY:
            above[-1] = above[-1]._replace(section=BODY)
        elif thunk:
            kind = thunk[2]
            found = _counted(found, kind, loops.get(int(thunk[1])), above)
            if kind in (LOOP, GRAPH, *CONTAINERS):
                above.append(_Open(indent, kind, loops.get(int(thunk[1]))))
    return found


def counts_in(folder: Path) -> Counts:
    """Counts the one program that XLA dumped into a folder.

    Raises:
        FileNotFoundError: there is no such dump.
    """

    def dumped(*endings: str) -> str:
        for ending in endings:
            for file in folder.glob(f"*{ending}"):
                return file.read_text("utf-8")
        raise FileNotFoundError(f"XLA wrote no {endings[0]} into {folder}")

    return counts(
        # the first only where thunks were put into graphs
        dumped("thunk_sequence_after_thunk_passes.txt", "thunk_sequence.txt"),
        dumped("thunk_metadata.txt"),
        dumped("gpu_after_optimizations.txt"),
    )


def _counted(found: Counts, kind: str, trips: int | None, above: list[_Open]) -> Counts:
    times = 1
    for each in above:
        times *= each.times
    if kind == LOOP:
        return found.plus(unknown_loops=int(trips is None))
    if kind == GRAPH:
        return found.plus(graphs=times)
    if kind in CONTAINERS:
        return found
    name = "kernels" if "Kernel" in kind else "copies" if kind in COPIES else "calls"
    graphed = times if any(each.kind == GRAPH for each in above) else 0
    return found.plus(graphed=graphed, **{name: times})


def _trips(metadata: str, text: str) -> dict[int, int]:
    """The trips of the loops whose number XLA knows, by thunk."""
    known = {}
    for name, rest in re.findall(r"%([\w.\-]+) = \([^\n]*? while\(([^\n]*)", text):
        told = re.search(r'"known_trip_count":\{"n":"(\d+)"', rest)
        if told:
            known[name] = int(told[1])
    thunks = re.findall(r'profile_annotation: "([^"]*)"\s*thunk_id: (\d+)', metadata)
    return {int(thunk): known[name] for name, thunk in thunks if name in known}
