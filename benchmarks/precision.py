"""Scans in bfloat16 and float16 beside float32: which findings stay, and how far numbers are apart.

Every architecture with tiny random weights and a spike set into its stream, and the embedded model. The 16-bit scans
add attention up as an accelerator does, from a kernel; the thresholds are the usual ones.

    python -m benchmarks.precision
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from inspector import Report, examine, intervene, load_model
from inspector.errors import ModelError
from inspector.interventions.values import set_to
from inspector.models import Backend, Model, embedded
from inspector.sites import Site
from inspector.testing import TINY, random_texts, tiny_hf
from inspector.texts import built_in

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
SPIKE = 5000.0
TINY_TEXTS = random_texts(12, 64, 90)


@dataclass(frozen=True)
class Difference:
    """A 16-bit scan beside one in float32.

    Args:
        findings, kept, new: findings in float32, those that the other has too, and those that it alone has.
        largest: of layers' largest |x|, relative; the most of all layers.
        received, entropy: of heads' received attention at their strongest key, and of their entropy in nats.
    """

    findings: int
    kept: int
    new: int
    largest: float
    received: float
    entropy: float

    def __str__(self) -> str:
        new = f", {self.new} new" if self.new else ""
        attention = "" if np.isnan(self.received) else f"; {self.received:.2g}; {self.entropy:.2g}"
        return f"{self.kept} of {self.findings}{new}; {self.largest:.1%}{attention}"


def difference(float32: Report, other: Report) -> Difference:
    """What a scan in another dtype finds differently."""
    one, two = ({(f.detector, f.kind, f.layer, f.unit) for f in report.findings} for report in (float32, other))
    tables = [report.frame("massive.layers")["max"].to_numpy() for report in (float32, other)]
    largest = float(np.max(np.abs(tables[1] / tables[0] - 1)))
    received = entropy = float("nan")
    if "sinks" in float32.evidence:
        heads = [report.frame("sinks.heads") for report in (float32, other)]
        received, entropy = (float((heads[1][name] - heads[0][name]).abs().max()) for name in ("received", "entropy"))
    return Difference(len(one), len(one & two), len(two - one), largest, received, entropy)


@contextmanager
def as_on_accelerators() -> Iterator[None]:
    """Attention is added up from the CPU's kernel while the context lasts."""
    usual = Backend.of
    Backend.of = staticmethod(lambda device: replace(usual(device), sums=usual(device).kernel))  # type: ignore
    try:
        yield
    finally:
        Backend.of = usual  # type: ignore[method-assign]


def tiny_report(architecture: str, dtype: torch.dtype = torch.float32, device: str = "cpu") -> Report:
    """A scan of a tiny model, into whose stream a spike is set at the first token.

    Raises:
        ModelError: the model can't be inspected in this dtype.
    """
    model = load_model(tiny_hf(architecture).to(dtype), device=device)
    with intervene(model, [set_to(Site("resid_post", 0), [5], SPIKE, [0])]):
        return _scanned(model, TINY_TEXTS)


def embedded_report(dtype: str = "float32", texts: int = 16) -> Report:
    """A scan of the first 64 tokens of built-in texts with the embedded model."""
    return _scanned(load_model(dtype=dtype, device="cpu"), built_in()[:texts], window=64)


def _scanned(model: Model, texts: Any, **how: Any) -> Report:
    known = ["massive"] if model.route == "none" else ["massive", "sinks"]
    usual = model.dtype == torch.float32 or model.device.type != "cpu"
    with nullcontext() if usual else as_on_accelerators():
        return examine(model, texts, known, **how)


def rows(architectures: Iterable[str] = TINY) -> Iterator[tuple[str, ...]]:
    """Name, and each dtype's difference in words."""
    for name in architectures:
        float32, said = tiny_report(name), []
        for dtype in DTYPES.values():
            try:
                said.append(str(difference(float32, tiny_report(name, dtype))))
            except ModelError as error:
                said.append(str(error).split(".")[0])
        yield name, *said
    if embedded.gguf_path() is not None:
        float32 = embedded_report()
        yield embedded.NAME, *(str(difference(float32, embedded_report(dtype))) for dtype in DTYPES)


def main() -> None:
    """Print the table."""
    print(f"| model | {' | '.join(DTYPES)} |\n|{' --- |' * (1 + len(DTYPES))}")
    for row in rows():
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
