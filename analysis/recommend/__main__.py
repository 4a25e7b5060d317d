"""``python -m analysis.recommend``."""

from nasmon.analysis.recommend.command import main

if __name__ == "__main__":
    main()
