"""The signature of what is called, and binding the arguments of a call to it, quickly where that is simple."""

from __future__ import annotations

from inspect import Parameter, Signature
from types import FunctionType
from typing import Any

__all__ = ["Binder", "own_signature"]

_ANY = Signature([Parameter("args", Parameter.VAR_POSITIONAL), Parameter("kwargs", Parameter.VAR_KEYWORD)])
_NAMED = frozenset((Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY))


def own_signature(fn: Any) -> Signature:
    """The signature of what is called, not of what it wraps; of a function in C that does not tell it, any arguments.

    ``__signature__`` does not count: ``functools.wraps`` copies that of the wrapped function.
    """
    import inspect  # when something is decorated

    if type(fn) is FunctionType:
        bare = FunctionType(fn.__code__, fn.__globals__, fn.__name__, fn.__defaults__, fn.__closure__)
        bare.__kwdefaults__ = fn.__kwdefaults__
        return inspect.signature(bare)
    if type(fn).__module__ == "functools" and type(fn).__name__ == "_lru_cache_wrapper":
        return own_signature(fn.__wrapped__)  # it hands on what it gets
    if getattr(fn, "__wrapped__", None) is not None and type(fn).__name__ != "partial":
        return _ANY
    try:
        return inspect.signature(fn, follow_wrapped=False)
    except ValueError:
        return _ANY


class Binder:
    """Binds calls to one signature. ``more`` is the name of its ``**kwargs``, or None."""

    def __init__(self, signature: Signature) -> None:
        self.parameters = list(signature.parameters.values())
        self.names = [parameter.name for parameter in self.parameters]
        self.more = next((each.name for each in self.parameters if each.kind is Parameter.VAR_KEYWORD), None)
        self._signature = signature
        if self.more is not None:  # it may take the name of a positional-only parameter; ``Signature.bind`` says no
            own = [
                each.replace(name=f"_positional_{place}_") if each.kind is Parameter.POSITIONAL_ONLY else each
                for place, each in enumerate(self.parameters)
            ]
            self._signature = signature.replace(parameters=own)
        self._simple = all(each.kind in _NAMED for each in self.parameters)
        self._most = sum(each.kind is Parameter.POSITIONAL_OR_KEYWORD for each in self.parameters)
        self._pairs = [(each.name, each.default) for each in self.parameters]

    def bind(self, args: tuple[object, ...], kwargs: dict[str, object]) -> list[Any]:
        """All arguments in the order of the signature, defaults applied; TypeError as the call would raise."""
        if self._simple and len(args) <= self._most:
            values, named = list(args), 0
            for name, default in self._pairs[len(args) :]:
                if name in kwargs:
                    named += 1
                    values.append(kwargs[name])
                elif default is not Parameter.empty:
                    values.append(default)
                else:
                    break
            else:
                if named == len(kwargs):
                    return values
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return list(bound.arguments.values())
