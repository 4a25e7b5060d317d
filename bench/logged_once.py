"""A process with files of its own: ``python -m bench.logged_once FOLDER COUNT``.

It writes so many readings down and prints the seconds of each as JSON; then, for each line on
standard input, one more and its seconds.
"""

import itertools
import json
import sys
from pathlib import Path

from bench.logged_readings import Files, readings

WARM = 100


def main() -> None:
    """Writes, prints, and goes on as long as it is asked to."""
    files, count = Files(Path(sys.argv[1])), int(sys.argv[2])
    print(json.dumps([files.timed(reading) for reading in readings(count)]), flush=True)
    # made before: that takes longer than writing them
    more = itertools.cycle(list(readings(WARM)))
    for _ in sys.stdin:
        print(files.timed(next(more)), flush=True)


if __name__ == "__main__":
    main()
