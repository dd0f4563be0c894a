"""A Hugging Face model as it was before a bridge was put into it, so that it can be given back."""

from typing import Any

from torch import nn

TABLES = ("_modules", "_parameters", "_buffers")
"""What a module holds by name, and a bridge replaces or adds to."""
SETTINGS = ("_attn_implementation", "architectures")
"""Of its configurations, which a bridge writes."""


class Before:
    """References to a model's modules and weights, and the settings that a bridge changes; no copy of a weight."""

    def __init__(self, hf: nn.Module) -> None:
        modules = list(hf.modules())
        self.tables = [(m, {name: dict(vars(m)[name]) for name in TABLES}) for m in modules]
        self.attributes = {id(m): frozenset(vars(m)) for m in modules}
        self.added = {id(m): frozenset[str]() for m in modules}
        self.named = {id(m): {name: frozenset[str]() for name in TABLES} for m in modules}
        configs = {id(c): c for m in modules if (c := getattr(m, "config", None)) is not None}.values()
        self.settings = [(c, name, getattr(c, name)) for c in configs for name in SETTINGS if hasattr(c, name)]

    def settle(self) -> None:
        """The bridge is in the model: what is added from now on is the user's, and stays."""
        for module, _ in self.tables:
            self.added[id(module)] = frozenset(vars(module)) - self.attributes[id(module)]
            self.named[id(module)] = {name: frozenset(vars(module)[name]) for name in TABLES}

    def restore(self) -> None:
        """Put every module, weight and setting back under its name, and take away what the bridge added."""
        for module, tables in self.tables:
            for added in self.added[id(module)] & set(vars(module)):
                del vars(module)[added]
            for name, held in tables.items():
                now = dict(vars(module)[name])
                own = {
                    key: one for key, one in now.items() if key not in held and key not in self.named[id(module)][name]
                }
                back = {key: _kept(name, old, now.get(key)) for key, old in held.items()}
                vars(module)[name].clear()
                vars(module)[name].update(back | own)
        for config, name, value in self.settings:
            setattr(config, name, value)


def _kept(table: str, old: Any, now: Any) -> Any:
    """A weight is what it has become, and may have moved to another device; a module is the one that it was."""
    return old if table == "_modules" or old is None or now is None else now


def remember(hf: Any) -> None:
    """Keep what the model is like now; what was kept earlier stays."""
    vars(hf).setdefault("_inspector_before", Before(hf))


def before(hf: Any) -> Before | None:
    """What was kept of this model."""
    found: Before | None = vars(hf).get("_inspector_before")
    return found
