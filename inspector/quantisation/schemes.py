"""Schemes by their names: `w8a8-tensor`, `w8a8-token`, `w4a16-g128`, `a8-tensor`, `kv4`, and their like."""

import re
from dataclasses import dataclass

from inspector.errors import InputError
from inspector.printable import brief, printable
from inspector.quantisation.rounding import EXACT, Rounding

EXAMPLES = ("w8a8-tensor", "w8a8-token", "w4a16-g128", "w8", "a8-tensor", "kv4")
NAMED = re.compile(r"(?:w(?P<w>\d+))?(?:a(?P<a>\d+))?(?:-?kv(?P<kv>\d+))?(?P<how>(?:-(?:tensor|token|channel|g\d+))*)")


@dataclass(frozen=True, repr=False)
class Scheme:
    """What is rounded, and how; None is left as it is.

    Args:
        name: as it was asked for.
        weights: of every matrix in a block.
        activations: what every matrix in a block is given.
        cache: keys and values, each head's vector at each token.
    """

    name: str
    weights: Rounding | None = None
    activations: Rounding | None = None
    cache: Rounding | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch("[a-z0-9-]{1,40}", self.name):
            raise InputError(f"A scheme named '{printable(self.name)[:40]}'. Use small letters, digits and '-'.")

    def __repr__(self) -> str:
        return f"<Scheme {self.name}: {brief(self.words, 100) or 'nothing is rounded'}>"

    @property
    def words(self) -> str:
        """What it does, in words."""
        parts = {"weights": self.weights, "activations": self.activations, "keys and values": self.cache}
        known = {what: one for what, one in parts.items() if one is not None}
        return "; ".join(f"{what} in {one.bits} bits, a grid per {_per(what, one)}" for what, one in known.items())


def scheme(name: str) -> Scheme:
    """The scheme of this name.

    `w` and `a` say the bits of weights and activations (16 is none), `kv` of keys and values; `-tensor` and `-token`
    what has a grid of its own among activations (a token where not said), `-channel` and `-g128` among weights (an
    output where not said). Weights and activations are symmetric, keys and values asymmetric.

    Raises:
        InputError: no such scheme.
    """
    found = NAMED.fullmatch(name.strip().lower())
    if found is None or not any(found[part] for part in ("w", "a", "kv")):
        raise InputError(f"No scheme '{printable(name)[:40]}'. Write one like {', '.join(EXAMPLES)}.")
    how = [one for one in found["how"].split("-") if one]
    of_weights = [one for one in how if one == "channel" or one.startswith("g")]
    of_activations = [one for one in how if one in ("tensor", "token")]
    idle = (of_activations and not found["a"]) or (of_weights and not found["w"])
    if len(of_weights) > 1 or len(of_activations) > 1 or idle:
        raise InputError(
            f"Scheme '{printable(name)[:40]}' says how twice, or of what it doesn't round. Write w4a16-g128."
        )
    group = int(of_weights[0][1:]) if of_weights and of_weights[0] != "channel" else 0
    if of_weights and of_weights[0] != "channel" and group < 1:
        raise InputError(f"Scheme '{printable(name)[:40]}' has groups of {group}. Use 1 or more, such as g128.")
    made = Scheme(
        name.strip().lower(),
        _rounding(found["w"], Rounding(EXACT, "group", group) if group else Rounding(EXACT)),
        _rounding(found["a"], Rounding(EXACT, "tensor" if of_activations == ["tensor"] else "row")),
        _rounding(found["kv"], Rounding(EXACT, symmetric=False)),
    )
    if made.weights is None and made.activations is None and made.cache is None:
        raise InputError(f"Scheme '{printable(name)[:40]}' rounds nothing. Use fewer than {EXACT} bits somewhere.")
    return made


def _rounding(bits: str | None, like: Rounding) -> Rounding | None:
    if bits is None or int(bits) >= EXACT:
        return None
    return Rounding(int(bits), like.per, like.group, like.symmetric)


def _per(what: str, rounding: Rounding) -> str:
    if rounding.per == "group":
        return f"{rounding.group} inputs"
    if rounding.per == "tensor":
        return "text"
    return {"weights": "output", "activations": "token"}.get(what, "head and token")
