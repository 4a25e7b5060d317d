"""Spectral kernels: tensors in, tensors out; they know no Keras and no files.

``nasmon.kernels.metric_table`` is plain data and imports no TensorFlow; the other modules are
imported by their own names, such as ``nasmon.kernels.covariance`` and ``nasmon.kernels.spectrum``.
"""
