"""When a key is an attention sink."""

from dataclasses import dataclass

from inspector.detectors.thresholds import threshold
from inspector.errors import InputError


@dataclass(frozen=True)
class Thresholds:
    """When a key is a sink: its received attention is strictly above ε."""

    epsilon: float = threshold(
        0.3,
        "a key that receives more than this share of a head's attention is a sink; in steps of 0.05 (the scan counted "
        "on this grid), and the papers use 0.3",
        low=0.05,
        high=0.95,
        label="A key is a sink above this share of the attention (ε)",
        steps=tuple(round(0.05 * i, 2) for i in range(1, 20)),
    )

    def __post_init__(self) -> None:
        if round(self.epsilon * 20, 6) != round(self.epsilon * 20) or not 0 < self.epsilon < 1:
            raise InputError(f"epsilon is {self.epsilon}. Use a multiple of 0.05 between 0.05 and 0.95.")


DEFAULTS = Thresholds()
