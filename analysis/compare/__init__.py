"""``python -m analysis.compare``: several runs, and whether to accept a change."""
