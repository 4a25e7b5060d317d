"""Spectral kernels: tensors in, tensors out; they know no Keras and no files.

``kernels.metric_table`` is plain data and imports no TensorFlow; the other modules are imported by
their own names (``kernels.covariance``, ``kernels.spectrum``, ``kernels.metrics``,
``kernels.compiled``).
"""
