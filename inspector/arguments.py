"""Arguments of public functions: what is swapped, of another type, out of range or misspelt is said in one line."""

import inspect
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache, wraps
from importlib import import_module
from types import UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    ParamSpec,
    SupportsIndex,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import numpy as np
from annotated_types import Ge, Gt, Le, Lt
from beartype import BeartypeConf
from beartype.door import is_bearable

from inspector.errors import InputError
from inspector.printable import kind_of, listed, printable, with_article

Given = ParamSpec("Given")
Result = TypeVar("Result")
Kind = TypeVar("Kind")

Count = Annotated[int, Ge(1)]
"""A number of things, at least one."""
Number = Annotated[int, Ge(0)]
"""The number of a thing, counted from 0; also a seed, or how many there may be of what may be left out."""
Share = Annotated[float, Ge(0), Le(1)]
"""From 0 to 1."""
Finite = Annotated[float, Gt(float("-inf")), Lt(float("inf"))]
"""Neither infinite nor NaN."""

MAKERS = {
    "Model": "from load_model",
    "Report": "from examine or open_run",
    "Study": "from study_hallucination or open_run",
}
HOMES = {"Model": "inspector.models"}
"""Where types are that modules name without importing them, as they would bring torch; who passes one has it."""
UNKNOWN = re.compile(r"ForwardRef|~|jaxtyping|Iterable\[typing\.Any\]")
"""What annotations aren't checked here: names that only type checkers know, arrays' axes, whatever may hold texts."""
CONF = BeartypeConf(is_pep484_tower=True)  # an int where a float is wanted
WORDS: Mapping[Any, str] = {
    Any: "anything",
    Callable: "function",
    Collection: "list",
    Iterable: "list",
    Mapping: "mapping",
    Sequence: "list",
    SupportsIndex: "whole number",
    bool: "True or False",
    int: "whole number",
    float: "number",
}
"""What messages call types that have another name in English."""
SHOWN = 40
"""Characters of a wrong value that its message quotes."""


def takes(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Check a function's arguments by their annotations, and its keywords by name.

    What annotations say of ranges (`Count`, `Share`, `annotated_types`) is checked too, and a number of numpy's becomes
    Python's. Names that an annotation has for type checkers alone are not checked.

    Raises:
        InputError: from the function, when it is called with something else.
    """
    return _checked(function, function.__name__)


def takes_fields(made: type[Kind]) -> type[Kind]:
    """Check what a class is made of, as `takes` checks a function's arguments."""
    made.__init__ = _checked(made.__init__, made.__name__)  # type: ignore[method-assign]
    return made


def _checked(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    signature = inspect.signature(function)
    order = ", ".join(
        f"{name}=…" if one.kind is one.VAR_KEYWORD else name
        for name, one in signature.parameters.items()
        if one.kind is not one.KEYWORD_ONLY and name != "self"
    )
    call, known = f"{name}({order})", [name for name in signature.parameters if name != "self"]
    spread = any(one.kind is one.VAR_KEYWORD for one in signature.parameters.values())
    hints = cache(lambda: _hints(function, signature))

    @wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        for name in () if spread else kwargs:
            if name not in signature.parameters:
                raise InputError(f"{call} takes no '{printable(name)[:SHOWN]}'.{meant(name, known)}")
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise InputError(f"{call}: {error}. Its arguments: {listed(known, 24)}.") from error
        for name, hint in hints().items():
            if name not in bound.arguments:
                continue
            if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
                given = bound.arguments[name].items()
                bound.arguments[name] = {key: _accepted(value, hint, key, call) for key, value in given}
            else:
                bound.arguments[name] = _accepted(bound.arguments[name], hint, name, call)
        return function(*bound.args, **bound.kwargs)

    return checked


def _hints(function: Callable[..., Any], signature: inspect.Signature) -> dict[str, Any]:
    """What each argument must be, for those of which that can be told."""
    found: dict[str, Any] = {}
    for name, one in signature.parameters.items():
        hint = one.annotation
        if hint is one.empty or one.kind is one.VAR_POSITIONAL:
            continue
        try:
            hint = _resolved(hint, getattr(function, "__globals__", {}))
        except NameError:
            continue
        if hint is not Any and not UNKNOWN.search(str(hint)):
            found[name] = hint
    return found


def _resolved(hint: Any, known: Mapping[str, Any]) -> Any:
    """An annotation with what its quoted names stand for.

    Raises:
        NameError: one that only a type checker knows.
    """
    if isinstance(hint, str):
        late = {name: home for name, home in HOMES.items() if name not in known and re.search(rf"\b{name}\b", hint)}
        known = {**known, **{name: getattr(import_module(home), name) for name, home in late.items()}}
    holder = type("", (), {"__annotations__": {"hint": hint}})
    return get_type_hints(holder, dict(known), include_extras=True)["hint"]


def _accepted(value: Any, hint: Any, name: str, call: str) -> Any:
    """The value, a number of numpy's as Python's.

    Raises:
        InputError: it isn't what the hint says.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if _is(value, hint):
        return value
    raise InputError(f"{call} got {_said(value)} for {name}. Pass {_wanted(hint)}.{_near(value, hint)}")


def _is(value: Any, kind: Any) -> bool:
    """Whether a value is of this kind and within its limits, and all that it holds; True and False are no numbers.

    beartype alone would look at one item of a collection, drawn at random.
    """
    if get_origin(kind) in (Union, UnionType):
        return any(_is(value, one) for one in get_args(kind))
    plain, *limits = get_args(kind) if get_origin(kind) is Annotated else (kind,)
    if isinstance(value, bool) and plain in (int, float, SupportsIndex):
        return False
    origin, inner = get_origin(plain), get_args(plain)
    if inner and isinstance(origin, type) and issubclass(origin, Iterable):
        return isinstance(value, origin) and _holds(value, origin, inner)
    return is_bearable(value, plain, conf=CONF) and all(_keeps(value, limit) for limit in limits)


def _holds(value: Any, origin: type, inner: tuple[Any, ...]) -> bool:
    """Whether a collection holds what it should; generators, which go by once, and tables are left as they are."""
    if issubclass(origin, Mapping):
        return all(_is(key, inner[0]) and _is(one, inner[1]) for key, one in value.items())
    if origin is tuple and inner[-1] is not ...:
        return len(value) == len(inner) and all(map(_is, value, inner))
    return not isinstance(value, list | tuple | set | frozenset) or all(_is(one, inner[0]) for one in value)


def _keeps(value: Any, limit: Any) -> bool:
    match limit:
        case Ge(low):
            return bool(value >= low)
        case Gt(low):
            return bool(value > low)
        case Le(high):
            return bool(value <= high)
        case Lt(high):
            return bool(value < high)
    return True


def _kinds(hint: Any) -> tuple[Any, ...]:
    """The members of a union, or the hint alone."""
    if get_origin(hint) in (Union, UnionType):
        return get_args(hint)
    return (hint,)


def meant(name: object, known: Iterable[object], most: int = 12) -> str:
    """What there is, and what a misspelt name may have meant, as the end of a message."""
    names = [str(one) for one in known]
    near = get_close_matches(str(name), names, 1)
    known = f" There is: {listed(names, most)}."
    return f"{known} Did you mean '{near[0]}'?" if near else known


def _near(value: Any, hint: Any) -> str:
    """What a misspelt word may have meant."""
    words = [word for kind in _kinds(hint) if get_origin(kind) is Literal for word in get_args(kind)]
    near = get_close_matches(value, [str(word) for word in words], 1) if isinstance(value, str) else []
    return f" Did you mean '{near[0]}'?" if near else ""


def _said(value: Any) -> str:
    """A wrong value in a message: itself where it is short, else what it is."""
    if value is None or (isinstance(value, bool | int | float | str) and len(repr(value)) <= SHOWN):
        return printable(repr(value))
    return kind_of(value)


def _wanted(hint: Any) -> str:
    """What is wanted instead, in words."""
    kinds = [one for one in _kinds(hint) if one not in (None, type(None))]
    made = [f", {MAKERS[one.__name__]}" for one in kinds if getattr(one, "__name__", "") in MAKERS]
    parts = list(dict.fromkeys(map(_kind_words, kinds)))
    return " or ".join(parts) + "".join(made[:1]) + (", or leave it out" if len(kinds) < len(_kinds(hint)) else "")


def _kind_words(kind: Any) -> str:
    """A kind with its article, or as a choice."""
    if get_origin(kind) is Literal:
        return "one of " + listed(get_args(kind))
    if get_origin(kind) is Annotated:
        plain, *limits = get_args(kind)
        return " ".join(filter(None, (_kind_words(plain), _range_words(limits))))
    word = _word(kind)
    return word if kind in (bool, Any) else with_article(word)


def _word(kind: Any) -> str:
    """A kind's name, and of a collection what it holds."""
    if kind in WORDS:
        return WORDS[kind]
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(map(_word, inner))
    if origin is Annotated:
        return _word(inner[0])
    if origin is None or not inner:
        return str(getattr(kind, "__name__", kind))
    name = WORDS.get(origin, origin.__name__)
    if origin is tuple and inner[-1] is not ...:
        return f"tuple ({', '.join(map(_word, inner))})"
    if issubclass(origin, Mapping):
        return f"{name} of {_word(inner[0])} to {_word(inner[1])}"
    return name if name == "function" else f"{name} of {_word(inner[0])}"


def _range_words(limits: list[Any]) -> str:
    match limits:
        case [Ge(low), Le(high)]:
            return f"from {low} to {high}"
    return " and ".join(filter(None, map(_limit_words, limits)))


def _limit_words(limit: Any) -> str:
    match limit:
        case Ge(low):
            return f"of {low} or more"
        case Gt(low):
            return f"above {low}" if low > float("-inf") else ""
        case Le(high):
            return f"up to {high}"
        case Lt(high):
            return f"below {high}" if high < float("inf") else "that is finite"
    return ""
