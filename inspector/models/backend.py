"""`Backend`: what a device can do, and how much it is given at once. Nothing else asks what kind of device it is."""

from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor

from inspector.errors import ModelError
from inspector.models.attention_kernels import Kernel, kernel_of
from inspector.printable import printable


@dataclass(frozen=True)
class Backend:
    """One device; made by `Backend.of`.

    Args:
        device: the device.
        batch_tokens: most tokens of a scan's batch. Larger ones were not faster (a CPU's caches overflow), and cost
            memory.
        answer_rows: answers that grow side by side; more were not faster on a CPU.
        accumulate: dtype of sums: float64 where the device has it.
        kernel: attention that gives its log-sum-exp away; None where the device has none.
        sums: the kernel that gives what a whole pattern adds up to; None where tiles of the pattern do, as on a CPU.
        tile_bytes: a tile of float32 scores of all heads: on a CPU what stays in its cache while it is used.
        summed_bytes: a tile of a few heads that is summed up at once.
        weights: what `dtype="auto"` loads: a dtype, or "auto" for the checkpoint's own.
        asking: what `dtype="auto"` means for a study of answers.
    """

    device: torch.device
    batch_tokens: int
    answer_rows: int
    accumulate: torch.dtype
    kernel: Kernel | None
    sums: Kernel | None
    tile_bytes: int
    summed_bytes: int
    weights: Any
    asking: str

    @staticmethod
    @cache
    def of(device: torch.device | str) -> "Backend":
        """The backend of a device, a CPU's or an accelerator's."""
        device = torch.device(device)
        accumulate = torch.float64 if _knows_float64(device) else torch.float32
        kernel = kernel_of(device)
        if device.type != "cpu":
            return Backend(device, 16384, 1024, accumulate, kernel, kernel, 128 << 20, 128 << 20, "auto", "auto")
        # On a CPU with instructions for bfloat16 asking is two to three times as fast in it.
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        asking = "bfloat16" if native else "auto"
        return Backend(device, 2048, 512, accumulate, kernel, None, 4 << 20, 8 << 20, torch.float32, asking)

    @staticmethod
    def named(name: Any) -> "Backend":
        """The backend of the device that a user names; of the fastest one here where None.

        Raises:
            ModelError: no tensor can be put there and read back.
        """
        name = _fastest() if name in (None, "") else name
        try:
            torch.zeros(1, device=name).cpu()
        except (RuntimeError, AssertionError, NotImplementedError, TypeError, ImportError) as error:
            raise ModelError(
                f"Device '{printable(name)[:40]}' can't be used here. Use cpu, cuda, cuda:1 or mps."
            ) from error
        return Backend.of(name)

    def free_bytes(self) -> int:
        """Memory that is free for activations now."""
        if self.device.type == "cuda":
            return torch.cuda.mem_get_info(self.device)[0]
        return psutil.virtual_memory().available

    def host_bytes(self) -> int:
        """Memory that is free for what is kept beside the device, which on a CPU is the same."""
        return psutil.virtual_memory().available

    def widened(self, x: Tensor) -> Tensor:
        """The tensor in the dtype that sums are taken in."""
        return x.to(self.accumulate)


def _knows_float64(device: torch.device) -> bool:
    try:
        torch.zeros(1, dtype=torch.float64, device=device)
    except (TypeError, RuntimeError, AssertionError, NotImplementedError):  # Apple's mps raises the first
        return False
    return True


def _fastest() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


class PeakMemory:
    """The most memory that this process took since this was made, beside what it had then.

    Of an accelerator torch says it. Of a process Linux does, and forgets what was before on request.
    """

    STATUS, FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")

    def __init__(self) -> None:
        with suppress(OSError):
            self.FORGET.write_text("5")
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        self.before = psutil.Process().memory_info().rss
        self.allocated = torch.cuda.memory_allocated() if torch.cuda.is_available() else 0

    def bytes(self) -> int | None:
        """How much; None where the system doesn't say."""
        if torch.cuda.is_available() and torch.cuda.max_memory_allocated() > self.allocated:
            return int(torch.cuda.max_memory_allocated() - self.allocated)
        with suppress(OSError, StopIteration, ValueError):
            line = next(one for one in self.STATUS.read_text().splitlines() if one.startswith("VmHWM"))
            return int(line.split()[1]) * 1024 - self.before
        return None
