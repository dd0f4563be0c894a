"""The user's random numbers: what loaders draw changes none of them."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def kept_random_state() -> Iterator[None]:
    """Put Python's, numpy's and torch's generators back to where they were."""
    python, numpy, devices = random.getstate(), np.random.get_state(), range(torch.cuda.device_count())
    with torch.random.fork_rng(devices if torch.cuda.is_initialized() else []):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
