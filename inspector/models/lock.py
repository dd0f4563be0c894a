"""One lock for a model: each of its forward passes holds it, whoever runs it and in whatever thread.

Hooks, interventions and swapped attention are the whole process's, so a pass beside a scan would see the scan's, and
a scan those of the pass.
"""

import inspect
import threading
from typing import Any

from torch import nn
from transformer_lens.model_bridge import TransformerBridge

RUNS = ("forward", "run_with_hooks", "run_with_cache", "generate")
"""Methods of the bridge that run its model; before it starts they add hooks, or leave notes for the pass."""


class _Shared:
    """A lock that copies of a model don't share with it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return (_Shared, ())


class _Locked:
    """A module's method that holds the lock while it runs."""

    def __init__(self, module: nn.Module, name: str, shared: _Shared) -> None:
        self.module, self.name, self.shared = module, name, shared
        self.before = vars(module).get(name)  # what something else, such as accelerate, put in the method's place

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with self.shared.lock:
            return self._method(*args, **kwargs)

    @property
    def _method(self) -> Any:
        return self.before or getattr(type(self.module), self.name).__get__(self.module)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self._method)


def lock_of(bridge: TransformerBridge) -> threading.RLock:
    """The lock of this bridge's model, the same for every `Model` that is made of it."""
    hf = bridge.original_model
    held = vars(hf).get("forward")
    shared = held.shared if isinstance(held, _Locked) else _Shared()
    for module in dict.fromkeys((hf, getattr(hf, "base_model", hf))):
        _lock(module, "forward", shared)
    for name in RUNS:
        _lock(bridge, name, shared)
    return shared.lock


def _lock(module: nn.Module, name: str, shared: _Shared) -> None:
    if not isinstance(vars(module).get(name), _Locked):
        vars(module)[name] = _Locked(module, name, shared)
