"""``python -m nasmon``."""

from nasmon.cli import main

if __name__ == "__main__":
    main()
