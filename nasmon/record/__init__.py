"""The files of a run: what they are called and hold, and how they are written and read."""
