"""The programs of a reading on a GPU: written here, run on one, counted where there is none.

``export`` needs TensorFlow and lowers the programs as the product does; ``run`` and ``count`` need
jax and NumPy alone, so that they work where nothing else of this project is installed; ``page``
writes bench/GPU.md.
"""
