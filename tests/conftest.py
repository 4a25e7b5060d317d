"""What all tests share: a quiet TensorFlow, and the small models and runs that tests only read."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
