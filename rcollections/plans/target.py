"""``Target``: what an operation works on, a resolved key with its codec."""

from __future__ import annotations

from datetime import timedelta
from math import inf
from operator import index
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from ..errors import CacheError, DecodeError, EncodeError, WrongTypeError
from .draws import spread
from .guards import Guarded

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "ATOMIC", "PAGE", "SIMPLE", "SNAPSHOT", "Place", "Put", "Read", "ReadAt", "Signing", "Target", "Write", "WriteAt",
    "as_is", "expect_ok", "milliseconds", "seconds_left",
]  # fmt: skip

Write: TypeAlias = "Callable[[Any], bytes]"  # a field or member as bytes
Read: TypeAlias = "Callable[[bytes], Any]"
# Of values, with the place that a signature covers (rule G1): key, field, kind.
WriteAt: TypeAlias = "Callable[[Any, str, bytes | None, int], bytes]"
ReadAt: TypeAlias = "Callable[[bytes, str, bytes | None, int], Any]"

SIMPLE = frozenset((str, int, bytes, float, bool, tuple))  # types of most fields and members
SNAPSHOT = 10_000  # elements that a whole read takes in one reply; more are read page by page
ATOMIC = 5_000  # elements that one script writes; more go to a staging key first, or in chunks where docs say so
PAGE = 1_000  # elements of a page
LONGEST = 1e11  # seconds of a ttl: servers keep when a field ends in 48 bits of ms, and entries their grace


class Place(NamedTuple):
    """The keys and facts beside a value that carries the stamps of tags, or is written with ``since``."""

    lease: str
    guard: str
    channel: str
    tags: tuple[str, ...]
    tag_ms: int
    since: bytes


class Put(NamedTuple):
    """The bytes around the value of a plain write with a ttl, how many replies come, and what is written."""

    before: bytes
    usual: bytes  # what follows the value where the ttl is that of the class; empty if that is not always the same
    after: bytes  # what follows a ttl
    replies: int
    steps: tuple[Any, ...]


class Signing(Protocol):
    """What a target knows of signatures: whether there may be some, and how a value gets another one."""

    @property
    def may_sign(self) -> bool: ...
    def moved(self, data: bytes, key: str, to: str, field: bytes | None = None, /) -> bytes: ...


class Target:
    """A key of the server, and how the content of that key is written and read."""

    __slots__ = (
        "connection", "dumps", "encode", "guarded", "head", "jitter", "key", "lease", "load", "mode", "name", "place",
        "plain_dumps", "plain_encode", "plain_load", "put", "read", "signing", "ttl",
    )  # fmt: skip

    def __init__(
        self,
        key: str,
        name: str,
        connection: Any,
        *,
        dumps: WriteAt,
        load: ReadAt,
        encode: Write,
        read: Read,
        ttl: float | timedelta,
        mode: str,
        jitter: float,
        signing: Signing | None = None,
    ) -> None:
        self.key = key
        self.guarded = type(key) is Guarded
        self.place: Place | None = None
        self.lease: str | None = None  # set where functions may compute values of this key: plain writes drop it
        self.name = name  # the name of the class, for messages and observers
        self.connection = connection
        # For loops, and for the values of functions, whose keys are the jobs': the key is not in their errors.
        self.plain_dumps, self.plain_load, self.plain_encode = dumps, load, encode
        self.dumps = _writing_at(dumps, key)  # values; those in a hash with their field
        self.load = _reading_at(load, key)
        self.encode = _naming(encode, key)  # fields and members
        self.read = _reading(read, key)
        self.ttl = milliseconds(ttl)
        self.mode = mode
        self.jitter = jitter
        self.signing = signing
        # Bytes of the commands that are sent most, without the words of one call; made with the first.
        self.head: bytes | None = None
        self.put: Put | None = None

    @property
    def may_sign(self) -> bool:
        """Whether some of the values may be signed, and so be good under this key and in their field only."""
        return self.signing is not None and self.signing.may_sign

    def dumps_for(self, key: str, value: object, kind: int = 0) -> bytes:
        """The bytes of a value (kind 0) or error (1) that is stored under ``key``."""
        try:
            return self.plain_dumps(value, key, None, kind)
        except EncodeError as error:
            raise EncodeError(f"{key!r}: {error}") from error

    def load_for(self, key: str, data: bytes, kind: int = 0) -> Any:
        """The value or error that these bytes are under ``key``."""
        try:
            return self.plain_load(data, key, None, kind)
        except (DecodeError, WrongTypeError) as error:
            raise type(error)(f"{key!r}: {error}") from error

    def ms(self, ttl: float | timedelta | None = None) -> int:
        """The ttl to arm now, in ms (0 none): the class's, or ``ttl`` of this call; jitter only shortens it."""
        whole = self.ttl if ttl is None else milliseconds(ttl)
        if whole and self.jitter:
            whole = max(1, round(whole * (1 - self.jitter * spread.random())))
        return whole

    def arm(self) -> tuple[int, str]:
        """The two arguments with which every writing script begins."""
        return self.ms(), self.mode


def _writing_at(write: WriteAt, key: str) -> Callable[..., bytes]:
    def dumps(value: object, field: bytes | None = None) -> bytes:
        try:
            return write(value, key, field, 0)
        except EncodeError as error:
            raise EncodeError(f"{key!r}: {error}") from error

    return dumps


def _reading_at(read: ReadAt, key: str) -> Callable[..., Any]:
    def load(data: bytes, field: bytes | None = None) -> Any:
        try:
            return read(data, key, field, 0)
        except (DecodeError, WrongTypeError) as error:
            raise type(error)(f"{key!r}: {error}") from error

    return load


def _naming(write: Write, key: str) -> Write:
    def dumps(value: object) -> bytes:
        try:
            return write(value)
        except EncodeError as error:
            raise EncodeError(f"{key!r}: {error}") from error

    return dumps


def _reading(read: Read, key: str) -> Read:
    def load(data: bytes) -> Any:
        try:
            return read(data)
        except (DecodeError, WrongTypeError) as error:
            raise type(error)(f"{key!r}: {error}") from error

    return load


def milliseconds(ttl: float | timedelta) -> int:
    """A ttl as whole milliseconds, at least 1 unless it is 0 (for ever); TypeError or ValueError for no ttl."""
    seconds: Any = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
    if not isinstance(seconds, float):
        if isinstance(seconds, bool) or not hasattr(seconds, "__index__"):
            raise TypeError(f"a ttl is seconds or a timedelta, not {type(ttl).__name__}")
        seconds = index(seconds)
    if not 0 <= seconds <= LONGEST:
        given = repr(seconds) if isinstance(seconds, float) or abs(seconds) < 10**20 else "an int beyond that"
        raise ValueError(f"a ttl is seconds from 0 (for ever) up to 1e11 (3,000 years), not {given}")
    return max(1, round(seconds * 1000)) if seconds else 0


def seconds_left(ms: int) -> float:
    """A PTTL reply as seconds: ``inf`` for a key without a ttl."""
    return inf if ms < 0 else ms / 1000


def as_is(reply: object) -> Any:
    """The reply itself, for operations whose value is the reply."""
    return reply


def expect_ok(reply: Any) -> None:
    """Check the reply of a script that can only succeed: any word but ``ok`` is a bug, and a CacheError."""
    if reply[0] != b"ok":
        raise CacheError(f"a script answered {reply[0]!r}, which its caller does not know")
