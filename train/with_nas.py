"""``python -m train.with_nas``: ``python -m train`` with the monitor always on."""

from nasmon.train.cli import main

if __name__ == "__main__":
    main(always_monitor=True)
