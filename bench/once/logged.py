"""A process with files of its own: ``python -m bench.once.logged FOLDER``.

It writes a hundred readings down and prints ``ready``; then, for each line on standard input, it
writes one more and prints its seconds.
"""

import itertools
import sys
from pathlib import Path

from bench.logged_readings import Files, readings

WARM = 100


def main() -> None:
    """Writes, prints, and goes on as long as it is asked to."""
    files = Files(Path(sys.argv[1]))
    for reading in readings(WARM):
        files.write(reading)
    # made before: that takes longer than writing them
    more = itertools.cycle(list(readings(WARM)))
    print("ready", flush=True)
    for _ in sys.stdin:
        print(files.timed(next(more)), flush=True)


if __name__ == "__main__":
    main()
