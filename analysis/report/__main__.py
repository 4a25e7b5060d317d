"""``python -m analysis.report``."""

from nasmon.analysis.report.command import main

if __name__ == "__main__":
    main()
