"""Arguments of public functions: what is swapped, of another type or misspelt is said in one line."""

import inspect
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from inspector.errors import InputError
from inspector.printable import listed

Given = ParamSpec("Given")
Result = TypeVar("Result")

MAKERS = {
    "Model": "from load_model",
    "Report": "from examine or open_run",
    "Study": "from study_hallucination or open_run",
}


def takes(**kinds: Any) -> Callable[[Callable[Given, Result]], Callable[Given, Result]]:
    """Check a function's arguments by type, where types are named, and its keywords by name.

    Raises:
        InputError: from the function, when it is called with something else.
    """

    def checking(function: Callable[Given, Result]) -> Callable[Given, Result]:
        signature = inspect.signature(function)
        order = ", ".join(name for name, one in signature.parameters.items() if one.kind is not one.KEYWORD_ONLY)
        call = f"{function.__name__}({order})"

        @wraps(function)
        def checked(*args: Given.args, **kwargs: Given.kwargs) -> Result:
            for name in kwargs:
                if name not in signature.parameters:
                    raise InputError(f"{call} takes no '{name}'.{meant(name, signature.parameters)}")
            try:
                bound = signature.bind(*args, **kwargs).arguments
            except TypeError as error:
                raise InputError(f"{call}: {error}. Its arguments: {listed(signature.parameters, 24)}.") from error
            for name, kind in kinds.items():
                if name in bound and not isinstance(bound[name], kind):
                    raise InputError(f"{call} got {_a(type(bound[name]))} for {name}. Pass {_wanted(kind)}.")
            return function(*args, **kwargs)

        return checked

    return checking


def meant(name: object, known: Iterable[object], most: int = 12) -> str:
    """What there is, and what a misspelt name may have meant, as the end of a message."""
    names = [str(one) for one in known]
    near = get_close_matches(str(name), names, 1)
    known = f" There is: {listed(names, most)}."
    return f"{known} Did you mean '{near[0]}'?" if near else known


def _wanted(kind: Any) -> str:
    kinds = [one for one in (kind if isinstance(kind, tuple) else (kind,)) if one is not type(None)]
    made = [f", {MAKERS[one.__name__]}" for one in kinds if one.__name__ in MAKERS]
    return " or ".join(_a(one) for one in kinds) + "".join(made[:1])


def _a(kind: type) -> str:
    if kind is type(None):
        return "None"
    return f"{'an' if kind.__name__[0] in 'AEIOUaeiou' else 'a'} {kind.__name__}"
