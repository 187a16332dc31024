"""Settings of the whole suite."""

import os

# Two test processes share the cores: threads of their own would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings

# A busy machine may take its time with any single example.
settings.register_profile("twofold", deadline=None)
settings.load_profile("twofold")
