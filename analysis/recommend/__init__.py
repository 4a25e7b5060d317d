"""``python -m analysis.recommend``: what a run says about its model, and what to change."""
