"""From the arguments of a call to its key: exact, the same in every process, and readable where it can be."""

from __future__ import annotations

import re
import struct
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

from ..errors import EncodeError
from ..handles.base import BaseCache
from ..values import encode_exact

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Arguments"]

LONGEST = 200  # bytes of a key, before its arguments become a digest
_PLAIN = re.compile(r"[A-Za-z_:@/][A-Za-z0-9_:@/-]*")  # no text of this form reads like a number
_POINTER = struct.calcsize("P")
_WORDS = frozenset({"True", "False", "None", "inf", "nan"})


class Arguments:
    """The signature of one function, and the text that the arguments of a call add to its key."""

    def __init__(self, fn: Callable[..., Any], *, method: bool, ignore_self: bool) -> None:
        self.fn = fn
        import inspect  # when something is decorated

        self.signature = inspect.signature(fn)
        self.parameters = list(self.signature.parameters.values())
        self.method = method
        self.ignore_self = ignore_self
        kinds = {parameter.kind for parameter in self.parameters}
        # With positional parameters only, a call that gives all of them by position needs no binding.
        self._count = (
            len(self.parameters)
            if kinds <= {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
            else -1
        )

    def bind(self, args: tuple[object, ...], kwargs: dict[str, object]) -> list[Any]:
        """All arguments in the order of the signature, defaults applied; TypeError as the call would raise."""
        if not kwargs and len(args) == self._count:
            return list(args)
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return [
            dict(sorted(value.items())) if parameter.kind is parameter.VAR_KEYWORD else value
            for parameter, value in ((p, bound.arguments[p.name]) for p in self.parameters)
        ]

    def text(self, args: tuple[object, ...], kwargs: dict[str, object], room: int) -> str:
        """What the arguments add to the key, in at most ``room`` bytes or as a digest."""
        values = self.bind(args, kwargs)
        own = ""
        if self.method and values:
            own = "" if self.ignore_self else self._instance(values[0])
            values = values[1:]
        text = ",".join(map(_plain, values)) if all(map(_is_plain, values)) else ""
        if not text and values:
            try:
                text = "~" + urlsafe_b64encode(encode_exact(tuple(values))).decode().rstrip("=")
            except EncodeError as error:
                raise EncodeError(
                    f"the arguments of {self.fn.__qualname__} cannot be part of a key: {error}; "
                    "give the decorator a key="
                ) from error
        text = f"{own};{text}" if own else text
        if len(text) > room:
            from hashlib import blake2b  # only for long arguments

            text = "#" + blake2b(text.encode(), digest_size=16).hexdigest()
        return text

    def _instance(self, instance: object) -> str:
        """The text that tells one instance from another; no more than its class, if it has nothing of its own."""
        if isinstance(instance, type):
            return _path(instance)
        path = _path(type(instance))
        if path == f"{self.fn.__module__}.{self.fn.__qualname__.rpartition('.')[0]}":
            path = ""  # the key begins with this class already; only subclasses need their name
        hook = getattr(instance, "__cache_key__", None)
        if hook is not None:
            own: Any = hook()
        elif isinstance(instance, BaseCache):
            own = str(instance.key)
        elif _is_empty(instance):
            return path
        else:
            own = instance
        if _is_plain(own):
            return f"{path}!{_plain(own)}"
        try:
            return f"{path}!~" + urlsafe_b64encode(encode_exact(own)).decode().rstrip("=")
        except EncodeError as error:
            raise EncodeError(
                f"{self.fn.__qualname__}: an instance of {type(instance).__name__} cannot be part of a key: define "
                "__cache_key__() on it, give the decorator a key=, or ignore_self=True if all instances share answers"
            ) from error


def _is_empty(instance: object) -> bool:
    """Whether an instance has nothing of its own: no attributes, no slots that are set, no data of a base in C."""
    cls = type(instance)
    slots = [name for base in cls.__mro__ for name in _slots(base)]
    if getattr(instance, "__dict__", None) or any(hasattr(instance, name) for name in slots):
        return False
    # A tuple, an int or a Decimal is larger than an object, also without the room that every class may add.
    own = len(slots) + (cls.__dictoffset__ > 0) + (cls.__weakrefoffset__ > 0)
    return not cls.__itemsize__ and cls.__basicsize__ <= object.__basicsize__ + own * _POINTER


def _slots(base: type) -> list[str]:
    slots = base.__dict__.get("__slots__", ())
    names = (slots,) if isinstance(slots, str) else tuple(slots)
    return [_mangled(base, name) for name in names if name not in ("__dict__", "__weakref__")]


def _mangled(base: type, name: str) -> str:
    private = name.startswith("__") and not name.endswith("__")
    return f"_{base.__name__.lstrip('_')}{name}" if private else name


def _path(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind is str:
        return _PLAIN.fullmatch(value) is not None and value not in _WORDS
    return kind in (int, bool, float) or value is None


def _plain(value: object) -> str:
    return value if type(value) is str else repr(value)
