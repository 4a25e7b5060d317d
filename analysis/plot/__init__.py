"""``python -m analysis.plot``: pictures of runs. Importing it loads no matplotlib; drawing does."""
