"""``ttl=`` as a function: of the result, or of the result and the arguments of the call."""

from __future__ import annotations

from inspect import Parameter
from typing import Any

from .signatures import own_signature

__all__ = ["takes_arguments"]

POSITIONAL = frozenset((Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD))


def takes_arguments(ttl: Any) -> bool:
    """Whether ``ttl`` is a function that cannot be called with the result alone."""
    if not callable(ttl):
        return False
    try:
        parameters = own_signature(ttl).parameters.values()
    except TypeError:
        return False
    return sum(each.kind in POSITIONAL and each.default is Parameter.empty for each in parameters) > 1
