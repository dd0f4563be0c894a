"""Which changes of a model's activations are in force, so that nothing computed under others is gone on from."""

from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from transformer_lens.model_bridge import TransformerBridge

_changes: WeakKeyDictionary[TransformerBridge, list[list[object]]] = WeakKeyDictionary()
"""What each open context changes, the outermost first; read and written under the model's lock."""


def changes_in_force(bridge: TransformerBridge) -> tuple[object, ...]:
    """Everything that open contexts change in this bridge's activations, in the order it is applied."""
    return tuple(change for context in _changes.get(bridge, ()) for change in context)


@contextmanager
def in_force(bridge: TransformerBridge, changes: tuple[object, ...]) -> Iterator[None]:
    """Tell that these changes, which compare by value, are applied while the context lasts."""
    contexts = _changes.setdefault(bridge, [])
    mine = list(changes)
    contexts.append(mine)
    try:
        yield
    finally:
        # By identity: contexts held by generators may end in any order, and two may change the same.
        contexts[:] = [context for context in contexts if context is not mine]
