"""A model as a LiteRT file of 8-bit integers: converted, looked at, and run."""
