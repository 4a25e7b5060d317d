"""On paper, what the kernels would take on a GPU: ``python -m bench.gpu``."""
