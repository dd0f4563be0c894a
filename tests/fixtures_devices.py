"""Devices that aren't there: tensors that say that they are on one, computed by the CPU, which never meet another's.

As CUDA does, an operation refuses tensors of two devices, but for a CPU's single numbers and its indices.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import accelerate
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

from inspector import Report
from inspector.models import Backend

KIND = "ipu"
"""A kind of device that this torch has a name for and no code."""

BETWEEN = ("aten._to_copy.default", "aten.copy_.default")
"""Operations that move numbers from one device to another."""
INDEXED = ("aten.index.Tensor", "aten.index_put.default", "aten.index_put_.default", "aten._index_put_impl_.default")


class There(Tensor):
    """A tensor on such a device."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held: Tensor, place: torch.device) -> "There":
        return torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined, no-any-return]
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype, device="cpu"
        )

    def __init__(self, held: Tensor, place: torch.device) -> None:
        self.held, self.place = held, place

    device = property(lambda self: self.place)  # type: ignore[assignment]

    def tolist(self) -> Any:
        return self.held.tolist()

    def numpy(self, **how: Any) -> Any:
        raise TypeError(f"can't convert {self.place} device type tensor to numpy. Use Tensor.cpu() first.")

    def cpu(self, *how: Any) -> Tensor:
        return self.held.clone()

    def to(self, *args: Any, **kwargs: Any) -> Tensor:  # type: ignore[override]
        kwargs.pop("copy", None)
        if args and isinstance(args[0], Tensor):
            args = (args[0].device, args[0].dtype)
        device, dtype, _, _ = torch._C._nn._parse_to(*args, **kwargs)
        place = self.place if device is None else _with_index(device)
        if place == self.place and dtype in (None, self.dtype):
            return self
        held = self.held.to(dtype or self.dtype, copy=True)
        return held if place.type == "cpu" else There(held, place)

    def __repr__(self, **how: Any) -> str:
        return f"There({self.held}, {self.place})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


class Refused(RuntimeError):
    """An operation was given tensors of two devices."""


def _with_index(device: Any) -> torch.device:
    device = torch.device(device)
    return torch.device(KIND, device.index or 0) if device.type == KIND else device


def _place(x: Tensor) -> torch.device:
    return x.place if isinstance(x, There) else torch.device("cpu")


def _refuse_two(func: Any, args: Any, kwargs: Any) -> torch.device:
    """Where the operation is computed."""
    leaves = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
    name = str(func)
    if name in BETWEEN:
        return _place(leaves[0]) if leaves else torch.device("cpu")
    if name in INDEXED:
        indices = [x for x in tree_leaves(args[1]) if isinstance(x, Tensor)]
        rest = [x for x in tree_leaves((args[0], args[2:])) if isinstance(x, Tensor)]
        own = _place(args[0])
        wrong = [x for x in indices if _place(x) not in (own, torch.device("cpu"))]
        leaves = [*rest, *wrong]
    places = {_place(x) for x in leaves if x.ndim or isinstance(x, There)}
    if len(places) > 1:
        raise Refused(f"{name}: expected all tensors on the same device, got {sorted(map(str, places))}")
    return next(iter(places), torch.device("cpu"))


def _computed(func: Any, args: Any, kwargs: Any) -> Any:
    place = _refuse_two(func, args, kwargs)
    if kwargs.get("device") is not None:
        place, kwargs = _with_index(kwargs["device"]), {**kwargs, "device": "cpu"}
    held_args, held_kwargs = tree_map(lambda x: x.held if isinstance(x, There) else x, (args, kwargs))
    out = func(*held_args, **held_kwargs)
    if place.type == "cpu":
        return out
    out = tree_map(lambda x: There(x, place) if isinstance(x, Tensor) else x, out)
    return return_and_correct_aliasing(func, args, kwargs, out) if any(_tensors(args)) else out


def _tensors(values: Any) -> Iterator[bool]:
    return (isinstance(x, Tensor) for x in tree_leaves(values))


class _Computing(TorchDispatchMode):
    """Makes tensors where `device` says, and computes with those that are there."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


class _Making(TorchFunctionMode):
    """`torch.tensor`, whose own code copies to a device where no mode is asked."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            place = _with_index(kwargs["device"])
            made = func(*args, **{**kwargs, "device": None})
            return made.to(place) if isinstance(made, There) or place.type == "cpu" else There(made, place)
        return func(*args, **kwargs)


@contextmanager
def devices_that_are_not_there() -> Iterator[None]:
    """While the context lasts, torch has devices `ipu:0`, `ipu:1` …"""
    of = Backend.of
    of.cache_clear()  # type: ignore[attr-defined]
    try:
        with _Making(), _Computing():
            yield
    finally:
        of.cache_clear()  # type: ignore[attr-defined]


def spread(hf: Any, places: Sequence[str]) -> Any:
    """The model's blocks one after another over these devices, the embedding on the first, the last norm on the last.

    The unembedding is beside the embedding where the two share their weights. accelerate's hooks take what blocks are
    given from one device to the next.
    """
    core = hf.base_model
    core = getattr(core, "decoder", core)
    blocks = next(part for part in core.children() if isinstance(part, nn.ModuleList))
    prefix = next(name for name, part in hf.named_modules() if part is core)
    placed = {
        f"{prefix}.{name}": places[0 if isinstance(part, nn.Embedding) else -1]
        for name, part in core.named_children()
        if part is not blocks
    }
    name = next(name for name, part in core.named_children() if part is blocks)
    placed |= {f"{prefix}.{name}.{i}": places[i * len(places) // len(blocks)] for i in range(len(blocks))}
    tied = hf.get_output_embeddings().weight is hf.get_input_embeddings().weight
    head = next(name for name, part in hf.named_modules() if part is hf.get_output_embeddings())
    placed[head] = places[0 if tied else -1]
    return accelerate.dispatch_model(hf, placed, main_device=places[0], force_hooks=True)


@pytest.fixture
def far() -> Iterator[None]:
    """`devices_that_are_not_there` for a test."""
    with devices_that_are_not_there():
        yield


def same(got: Report, expected: Report) -> None:
    """The findings of one report, and its evidence as near as another device's kernels come."""
    assert [(f.detector, f.layer, f.unit) for f in got.findings] == [
        (f.detector, f.layer, f.unit) for f in expected.findings
    ]
    assert set(got.evidence) == set(expected.evidence)
    for name, evidence in expected.evidence.items():
        for array, values in evidence.arrays.items():
            if values.dtype.kind == "f":
                scale = np.nanmax(np.abs(values), initial=0.0)
                found = got.evidence[name][array]
                np.testing.assert_allclose(found, values, rtol=5e-3, atol=1e-4 * scale, err_msg=f"{name}.{array}")
