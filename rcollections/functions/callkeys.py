"""How the calls of a function are named on the server: their keys and tags, with or without a namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import CacheError
from ..handles.base import BaseCache
from ..handles.options import check
from ..plans.naming import namespaced, tag, tags
from ..plans.parts import join
from .arguments import LONGEST

if TYPE_CHECKING:
    from .arguments import Arguments
    from .options import Options

__all__ = ["Keys", "Names"]


class Keys:
    """The beginnings of one function's keys."""

    def __init__(self, name: str, path: str, cls: type[BaseCache], options: Options, arguments: Arguments) -> None:
        self.name = name
        self.cls = cls
        self.options = options
        self.arguments = arguments
        version = options.version
        self._own = f"{path}@{version}" if version else path

    def prefix(self, namespace: str) -> str:
        """The beginning of the keys of all calls; CacheError for a function with a ``key=`` of its own."""
        if self.options.key is not None:
            raise CacheError(
                f"{self.name} has a key= of its own, so its entries cannot be told from others: invalidate single "
                "calls, give it tags, or clean() a class with a prefix"
            )
        return namespaced(namespace, join(self.cls.__name__, self.cls.prefix, (self._own,)))

    def common(self, namespace: str, *, asked: bool) -> list[str] | None:
        """The beginnings of all keys that a result depends on.

        None: the keys have no beginning in common, and the function does not ask for L1 itself (``asked``).
        """
        given = self.options.key
        if given is None:
            found = [self.prefix(namespace)]
        elif isinstance(given, str):
            found = [Names(self, namespace).of(given)]
        elif self.cls.prefix:
            found = [namespaced(namespace, self.cls.prefix)]
        elif namespace or asked:
            found = [f"{namespace}." if namespace else ""]
        else:
            return None
        tagged = self.options.tags or (self.options.tags is None and self.cls.tags)
        return [*found, tags(namespace)] if tagged else found


class Names:
    """The names of calls in one namespace. The parts that do not depend on arguments are made here, once."""

    __slots__ = ("_arguments", "_given", "_keys", "_namespace", "_plain", "_prefix", "_room", "_tags", "_whole")

    def __init__(self, keys: Keys, namespace: str) -> None:
        cls, options = keys.cls, keys.options
        self._keys = keys
        self._arguments = keys.arguments
        self._namespace = namespace
        self._plain = _is_plain(cls)  # then the key of ``cls(*parts)`` is made without a handle
        self._given = options.key
        self._whole: str | None = None  # the key, where all calls have the same
        self._prefix, self._room = "", 0
        if self._given is None:
            self._prefix = keys.prefix(namespace)
            self._room = max(40, LONGEST - len(self._prefix.encode()) - 1)
        elif isinstance(self._given, str) and self._plain:
            self._whole = self.of(self._given)
        tags = cls.tags if options.tags is None else options.tags
        self._tags = None if callable(tags) else self._named(tags)

    def of(self, *parts: object) -> str:
        """The key of ``cls(*parts)``."""
        cls = self._keys.cls
        if self._plain:
            return namespaced(self._namespace, join(cls.__name__, cls.prefix, parts))
        return cls(*parts).key

    def made(self, made: object) -> str:
        """The key for the result of a ``key=`` function; TypeError for a result that is no key."""
        if isinstance(made, (list, tuple)):
            return self.of(*made)
        if isinstance(made, str):
            return self.of(made)
        name = self._keys.name
        raise TypeError(f"{name}: key= gave a {type(made).__name__}; it gives a str, or a sequence of key parts")

    def key(self, args: tuple[object, ...], kwargs: dict[str, object]) -> str:
        """The whole key of a call, as the server gets it."""
        given = self._given
        if given is None:
            text = self._arguments.text(args, kwargs, self._room)
            return f"{self._prefix}.{text}" if text else self._prefix
        if self._whole is not None:
            return self._whole
        return self.of(given) if isinstance(given, str) else self.made(given(*args, **kwargs))

    def tags(self, args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[str, ...]:
        """The keys of a call's tags, each once, in one order: stamps are compared one by one."""
        if self._tags is not None:
            return self._tags
        tags: Any = self._keys.options.tags
        return self._named(check(self._keys.name, "tags", tags(*args, **kwargs)))

    def _named(self, tags: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(tag(self._namespace, name) for name in (sorted(set(tags)) if len(tags) > 1 else tags))


def _is_plain(cls: type[BaseCache]) -> bool:
    """Whether the class makes the key of ``cls(*parts)`` of prefix and parts alone, as ``BaseCache`` does."""
    own = {name for base in cls.__mro__[: cls.__mro__.index(BaseCache)] for name in base.__dict__}
    return isinstance(cls.prefix, str) and not own & {"__init__", "__new__", "key"}
