"""Numbers in sentences and on labels."""

from typing import Any

import numpy as np


def rounded(value: float | np.number[Any]) -> str:
    """A number in a sentence: whole from 10 on, else with three significant digits."""
    return f"{value:,.0f}" if abs(float(value)) >= 9.995 else f"{value:.3g}"
