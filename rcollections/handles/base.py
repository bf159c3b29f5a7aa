"""``BaseCache``: what all types share, in both worlds. A handle is a key and options; the content is on the server."""

from __future__ import annotations

from abc import abstractmethod
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import ConfigError
from ..key import Key
from ..l1 import users
from ..missing import MISSING
from ..observe import collector, events
from ..observe.names import name_of
from ..plans.parts import complete, join
from .binding import Binding
from .filling import Fillable
from .held import Nearby
from .options import OPTIONS, check, near_miss
from .prefixes import tell_shared

if TYPE_CHECKING:
    from datetime import timedelta
    from typing import Self

    from ..errors import DecodeError
    from ..plans.op import Operation

__all__ = ["BaseCache"]

T = TypeVar("T")
R = TypeVar("R")


class BaseCache(Fillable, Binding, Nearby):
    """A handle on one key of the server: the key, and the options of its class.

    ``Type(*parts, data=MISSING, **overrides)``: the key is ``prefix`` and the parts joined with dots
    (empty strings are dropped, 0 and False are not). ``data=`` replaces the content at once. Overrides
    are class attributes, for this one handle. Making a handle without ``data`` sends nothing. Any text is a part.
    ``docs/keys.md`` tells how a key is made of them.

    Handles hold no state but key and options: share them between threads, pickle them, copy them.
    Two handles of one key are two names of the same content. A command that fails raises an error of this
    library within the connection's timeout.
    """

    prefix: str = ""
    ttl: float | timedelta = 7200
    ttl_from: str = "last"
    jitter: float = 0.0
    serialize: bool = True
    serializer: Any = None
    connection_name: str = ""
    default: Any = None
    tags: tuple[str, ...] = ()
    l1: bool | None = None
    share: bool = False
    signed: bool = False
    computed: bool = True
    on_error: str = "raise"
    settle: bool = False
    read_from: str | None = None

    _is_set = False  # whether a set operation can take this collection as an operand
    _signs = False  # whether this type has values that can be signed

    def __init__(self, *parts: object, data: object = MISSING, **overrides: object) -> None:
        self._set(overrides)
        self._own_key = join(type(self).__name__, self.prefix, parts)
        if data is not MISSING:
            self._store_at_once(data)

    def _set(self, overrides: dict[str, object]) -> None:
        for name, value in overrides.items():
            if name not in OPTIONS:
                raise TypeError(_unknown(type(self).__name__, name))
            setattr(self, name, value)

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        cls._loads_itself = callable(getattr(cls, "load", None))
        cls._check_class()
        if "prefix" in cls.__dict__:
            tell_shared(cls)
        if cls.l1 is True and cls.prefix:
            users.register(cls)

    @classmethod
    def _check_class(cls) -> None:
        names = {**cls.__annotations__, **cls.__dict__}
        for name in names:
            if name.startswith("_"):
                continue
            value = cls.__dict__.get(name, MISSING)
            if name in OPTIONS:
                if value is not MISSING and not isinstance(value, property):
                    setattr(cls, name, cls._check_option(name, value))
            elif not callable(value) and not hasattr(value, "__get__"):
                if any(hasattr(base, name) for base in cls.__mro__[1:]):
                    continue
                meant = near_miss(name)
                if meant:
                    raise ConfigError(f"{cls.__name__}.{name}: there is no such class attribute; is {meant!r} meant?")
        if iscoroutinefunction(cls.__dict__.get("normalize")):
            raise ConfigError(f"{cls.__name__}.normalize is called while a reply is read: write a def, no async def")
        if cls.signed and cls.serialize is False:
            raise ConfigError(f"{cls.__name__}: serialize=False is plain text, which signed=True cannot be")

    @classmethod
    def _check_option(cls, name: str, value: object) -> Any:
        if name == "signed" and value is True and not cls._signs:
            raise ConfigError(
                f"{cls.__name__}.signed: only values can be signed, those of KeyCache and DictCache; "
                "members and counts are kept in a form that the server compares and adds"
            )
        return check(cls.__name__, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        if name in OPTIONS:
            if name == "prefix" and "_own_key" in self.__dict__:
                raise AttributeError(f"{type(self).__name__}: the key of a handle is made already; make another handle")
            value = self._check_option(name, value)
            self.__dict__.pop("_target", None)
            self.__dict__.pop("_near", None)
        object.__setattr__(self, name, value)

    # -- the key ---------------------------------------------------------------------------------

    @property
    def key(self) -> Key:
        """The key exactly as the server gets it: namespace, prefix and parts.

        ``KeyCache(other.key)`` addresses the same key.
        """
        return Key(self._bound().key)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._own_key!r})"

    def __reduce_ex__(self, _protocol: object) -> Any:
        state = {name: value for name, value in self.__dict__.items() if name not in _NOT_STATE}
        return _rebuild, (type(self), state)

    def __copy__(self) -> Self:
        return self._like(self._own_key)

    def __deepcopy__(self, _memo: object) -> Self:
        raise TypeError(
            f"{type(self).__name__} is a handle, its content is on the server: "
            "copy() gives the content, copy_to() copies it there, copy.copy() gives another handle"
        )

    __hash__ = None  # type: ignore[assignment]

    def _like(self, own_key: str) -> Self:
        """Another handle of this class and these options. ``__init__`` belongs to the user, and is not called."""
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new.__dict__.pop("_target", None)
        new.__dict__.pop("_near", None)
        new.__dict__["_own_key"] = own_key
        return new

    def _outside(self) -> Self:
        """This handle, for questions that follow a reply. Of a handle in a pipeline: the same handle outside of it."""
        return self

    def _unreadable(self, error: DecodeError) -> None:
        """Tell observers of bytes that cannot be read, and that they count as a miss."""
        if events.observers:
            events.unreadable(name_of(type(self)), self.key, error)

    def _replacement(self, data: object) -> Operation[None]:  # noqa: ARG002 - the types override it
        raise TypeError(f"{type(self).__name__} is no type of its own: use one of the five")

    @abstractmethod
    def _store_at_once(self, data: object) -> None:
        """Make ``data`` the content, for ``data=`` of the constructor."""

    # -- of every type ---------------------------------------------------------------------------

    @classmethod
    def at(cls, key: str, **overrides: object) -> Self:
        """The handle of a key that is complete, as the server has it: from a command line, a log, ``SCAN``.

        Every other text gets the namespace, the prefix of the class, and escapes where a key needs them. Sends nothing.
        ValueError for a key that cannot be one of ours.

        >>> from rcollections import KeyCache
        >>> KeyCache("price", "tea", data=3)
        KeyCache('price.tea')
        >>> KeyCache.at("price.tea").data
        3
        """
        new = object.__new__(cls)
        new._set(overrides)
        new._own_key = complete(cls.__name__, key)
        return new

    @classmethod
    def stats(cls, operation: str = "") -> collector.Stats:
        """What the operations of this class did since ``observe.collect()``: hits, misses, ratio, times."""
        return collector.stats(cls, operation)


# Attributes that a handle keeps to be quick, and those that ``Type[int](…)`` leaves on it.
_NOT_STATE = frozenset(("_target", "_near", "_near_name", "__orig_class__"))


def _unknown(owner: str, name: str) -> str:
    meant = near_miss(name)
    hint = f"is {meant!r} meant?" if meant else f"allowed are data, {', '.join(OPTIONS)}"
    return f"{owner}() got an unexpected keyword argument {name!r}: {hint}"


def _rebuild(cls: type[Any], state: dict[str, Any]) -> Any:
    new = object.__new__(cls)
    new.__dict__.update(state)
    return new
