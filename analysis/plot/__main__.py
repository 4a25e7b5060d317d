"""``python -m analysis.plot``."""

from nasmon.analysis.plot.command import main

if __name__ == "__main__":
    main()
