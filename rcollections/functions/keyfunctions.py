"""What can be said against a ``key=`` where the function is decorated, before any call goes wrong."""

from __future__ import annotations

from inspect import Parameter
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .advice import advise
from .signatures import own_signature

if TYPE_CHECKING:
    from collections.abc import Callable
    from inspect import Signature

    from .arguments import Arguments

__all__ = ["advise_constant", "refuse_other_arguments"]

SPREAD = frozenset((Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD))
FUNCTIONS = frozenset(("fn", "func", "function"))


def advise_constant(key: str, arguments: Arguments, decorator: str) -> None:
    """Tell that all calls share one answer, whatever their arguments; an instance counts, unless it is ignored."""
    names = arguments.names[1:] if arguments.method and arguments.ignore_self else arguments.names
    if names:
        template = key.replace("{", "{{").replace("}", "}}") + ":{" + names[0] + "}"
        advise(
            f"{decorator} of {arguments.name}: key={key!r} is one key for all calls, whatever {', '.join(names)} may "
            f"be. A template such as key={template!r} makes keys of arguments, and without key= all of them count"
        )


def refuse_other_arguments(key: Callable[..., Any], arguments: Arguments, decorator: str) -> None:
    """ConfigError for a ``key=`` function that certainly cannot take what the function takes."""
    try:
        signature = own_signature(key)
    except TypeError:
        return
    taken = list(signature.parameters.values())
    first = taken[0] if taken else None
    if first is not None and first.name in FUNCTIONS and arguments.names[:1] != [first.name] and _required(first):
        raise ConfigError(
            f"{decorator} of {arguments.name}: key= gets what the function gets, and not the function itself: "
            f"leave {first.name!r} out of its parameters"
        )
    if not any(parameter.kind in SPREAD for parameter in arguments.parameters) and not _fits(signature, arguments):
        raise ConfigError(
            f"{decorator} of {arguments.name}: key= gets what the function gets, and takes {signature} where the "
            f"function takes {arguments.signature}"
        )


def _fits(signature: Signature, arguments: Arguments) -> bool:
    """Whether one of the plainest calls fits: with all arguments, or with those that have no default."""
    every = arguments.parameters
    for given in (every, [each for each in every if each.default is Parameter.empty]):
        for by_name in (False, True):
            names = [each for each in given if each.kind is Parameter.KEYWORD_ONLY or _by_name(each, by_name)]
            args = [None] * (len(given) - len(names))
            try:
                signature.bind(*args, **{each.name: None for each in names})
            except TypeError:
                continue
            return True
    return False


def _required(parameter: Parameter) -> bool:
    return parameter.default is Parameter.empty and parameter.kind is not Parameter.KEYWORD_ONLY


def _by_name(parameter: Parameter, wanted: bool) -> bool:
    return wanted and parameter.kind is Parameter.POSITIONAL_OR_KEYWORD
