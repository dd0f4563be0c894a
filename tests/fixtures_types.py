"""What types are checked of while tests run, and no more than that: imported before the package is.

jaxtyping's import hook puts `jaxtyping.jaxtyped` around every function and class of the package. It compiles a check
anew for each function inside a function and for each new dataclass, and reads the arguments of every call twice: by a
profile a fifth of the suite's time, and more with the signatures that it reads. Here shapes are checked where arrays
are named, other types by beartype alone, and each check is compiled once.
"""

import dataclasses
import inspect
import re
from collections.abc import Callable
from functools import partial, wraps
from types import FunctionType
from typing import Any

import jaxtyping
from beartype import beartype

ARRAYS = re.compile(r"\b(Float|Int|Bool|Shaped)\d*\[")
"""How an annotation names an array."""
NAMED = re.compile(r"ForwardRef|'")
"""How it shows that a part of it is only a name; words of a Literal look so too."""
_jaxtyped = jaxtyping.jaxtyped


def jaxtyped(checked: Any = None, *, typechecker: Any = None) -> Any:
    """In the place of jaxtyping's own."""
    if checked is None:
        return partial(jaxtyped, typechecker=typechecker)
    if not inspect.isclass(checked):
        return _function(checked)
    if dataclasses.is_dataclass(checked) and "__init__" in vars(checked):
        checked.__init__ = _function(checked.__init__)  # type: ignore[misc]
    return checked


def _function(function: FunctionType) -> Callable[..., Any]:
    """The same, with its arguments and what it gives back checked; names that only type checkers know are not."""
    if "<locals>" in function.__qualname__:
        return function
    hints = function.__annotations__
    if ARRAYS.search(" ".join(one if isinstance(one, str) else repr(one) for one in hints.values())):
        return _jaxtyped(function, typechecker=beartype)
    same = FunctionType(function.__code__, function.__globals__, closure=function.__closure__)
    same.__defaults__, same.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
    same.__annotations__ = {name: Any if NAMED.search(repr(one)) else one for name, one in hints.items()}
    return wraps(function)(beartype(same))


jaxtyping.jaxtyped = jaxtyped  # type: ignore[assignment]
