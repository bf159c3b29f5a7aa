"""From the arguments of a call to its key: exact, the same in every process, and readable where it can be.

Arguments are bound by the signature of what is called, which is that of the outermost decorator: what decorators inside
inject, drop or convert is their affair. Of a wrapper that takes ``*args, **kwargs`` the key has what it is given, as
it is given.
"""

from __future__ import annotations

from inspect import Parameter
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, EncodeError
from ..plans.parts import SHORT
from .instances import instance_text
from .places import innermost
from .signatures import Binder, own_signature
from .texts import quoted, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LONGEST", "Arguments"]

LONGEST = 200  # bytes of a key, before its arguments become a digest

_POSITIONAL = frozenset((Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD))


class Arguments:
    """The signature of one function, and the text that the arguments of a call add to its key."""

    def __init__(
        self, fn: Callable[..., Any], name: str, *, method: bool, ignore_self: bool, ignore: tuple[str, ...] = ()
    ) -> None:
        self.fn = fn
        self.name = name
        self.signature = own_signature(fn)
        self._binder = binder = Binder(self.signature)
        self.parameters, self.names = binder.parameters, binder.names
        self.method = method
        self.ignore_self = ignore_self
        self._ignored = frozenset(ignore)
        kinds = {parameter.kind for parameter in self.parameters}
        unknown = sorted(self._ignored.difference(self.names)) if binder.more is None else ()
        if unknown:
            raise ConfigError(
                f"@cached of {name}: ignore names {unknown[0]!r}, which is no parameter; there are "
                f"{', '.join(self.names) or 'none'}"
            )
        # With positional parameters only, a call that gives all of them by position needs no binding.
        self.count = len(self.parameters) if kinds <= _POSITIONAL and not ignore else -1

    def knows(self, name: str) -> bool:
        """Whether a call may give a parameter of this name; behind ``**kwargs`` those of the wrapped function count."""
        if name in self.names:
            return True
        return (
            self._binder.more is not None and self.fn is not (inner := innermost(self.fn)) and name in own_names(inner)
        )

    def by_name(self, args: tuple[object, ...], kwargs: dict[str, object]) -> dict[str, Any]:
        """The arguments by their names, defaults applied; TypeError as the call would raise."""
        found: dict[str, Any] = dict(zip(self.names, self._binder.bind(args, kwargs), strict=True))
        more = self._binder.more
        return found if more is None else {**found[more], **found}

    def text(self, args: tuple[object, ...], kwargs: dict[str, object], room: int) -> str:
        """What the arguments add to the key, in at most ``room`` bytes or as a digest."""
        own = ""
        if not kwargs and len(args) == self.count:
            if self.method and args:
                own = "" if self.ignore_self else instance_text(args[0], self.fn)
                args = args[1:]
            try:
                text = ",".join(
                    [str(each) if type(each) is int and -SHORT < each < SHORT else text_of(each) for each in args]
                )
            except EncodeError as error:
                raise self._unwritable(error) from error
        else:
            own, given = self._bound(args, kwargs)
            try:
                text = ",".join([f"{name}={text_of(each)}" if name else text_of(each) for name, each in given])
            except EncodeError as error:
                raise self._unwritable(error) from error
        if own:
            text = f"{own};{text}"
        if len(text) > room or (not text.isascii() and len(text.encode()) > room):
            from hashlib import blake2b  # only for long arguments

            text = "#" + blake2b(text.encode(), digest_size=16).hexdigest()
        return text

    def _bound(self, args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[str, list[tuple[str, object]]]:
        """The text of the instance, and the arguments that count, each with its name where it is given by name only."""
        own, given = "", list[tuple[str, Any]]()
        for place, (parameter, value) in enumerate(zip(self.parameters, self._binder.bind(args, kwargs), strict=True)):
            name, kind = parameter.name, parameter.kind
            several = kind is Parameter.VAR_POSITIONAL
            if place == 0 and self.method and (not several or value):
                first, value = (value[0], value[1:]) if several else (value, ())
                if not self.ignore_self and name not in self._ignored:
                    own = instance_text(first, self.fn)
                if not several:
                    continue
            if name in self._ignored:
                continue
            if several:
                given.extend(("", each) for each in value)
            elif kind is Parameter.VAR_KEYWORD:  # in their order, which the function sees
                given.extend((_name(key), each) for key, each in value.items() if key not in self._ignored)
            else:
                given.append((name if kind is Parameter.KEYWORD_ONLY else "", value))
        return own, given

    def _unwritable(self, error: EncodeError) -> EncodeError:
        return EncodeError(
            f"the arguments of {self.name} cannot be part of a key: {error}; give the decorator a key=, leave a "
            "parameter out by ignore=, or define __cache_key__() on the object"
        )


def _name(text: str) -> str:
    """The name of a further keyword: any text can be one."""
    return text if text.isidentifier() else quoted(text)


def own_names(fn: Any) -> frozenset[str]:
    """The names of a function's parameters."""
    return frozenset(own_signature(fn).parameters)
