"""``python -m analysis.report``: all about a run as one HTML page."""
