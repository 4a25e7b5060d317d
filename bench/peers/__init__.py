"""What other ways of reading spectra cost: Delve on PyTorch, and plain NumPy.

``make bench-peers`` runs it, in an environment of its own.
"""
