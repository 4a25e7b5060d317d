"""``python -m analysis.compare``."""

from nasmon.analysis.compare.command import main

if __name__ == "__main__":
    main()
