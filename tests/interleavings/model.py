"""A small exact model of the server: strings and sets with ttls on a clock of its own, and messages of channels.

It answers the commands and scripts that the plans of cached functions and tagged sets send, with the replies of
real servers; ``test_agreement.py`` holds it to that. Time stands still until ``advance`` is called.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from rcollections.plans.effects import Command, Script
from tests.interleavings.guarded_scripts import GUARDED_SCRIPTS
from tests.interleavings.scripts import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Model", "raw"]


def raw(arg: Any) -> bytes:
    """An argument as it is on the wire."""
    return arg if isinstance(arg, bytes) else str(arg).encode()


def _nobody(_key: bytes | None) -> None:
    """Nobody listens."""


class Model:
    """One server. ``run`` carries out one step, all at once, and gives its raw reply."""

    def __init__(self, scripts: dict[str, Callable[..., Any]] | None = None) -> None:
        self.now = 0  # ms
        self.data: dict[bytes, tuple[Any, int | None]] = {}  # bytes (or a set's members, sorted), and when it ends
        self.listeners: dict[bytes, list[Any]] = {}
        self.scripts = {**GUARDED_SCRIPTS, **(SCRIPTS if scripts is None else scripts)}
        self.announce: Callable[[bytes | None], None] = _nobody  # told of each key that changes; None: of all

    def run(self, step: Command | Script) -> Any:
        """The reply to a command or a script."""
        if isinstance(step, Script):
            return self.scripts[step.name](self, [raw(key) for key in step.keys], [raw(arg) for arg in step.args])
        words = [raw(word) for word in step.args]
        command: Callable[..., Any] = getattr(self, words[0].decode().lower().replace("del", "unlink"))
        return command(*words[1:])

    def advance(self, ms: int) -> None:
        """Let time pass; what has expired is gone at once."""
        self.now += ms
        self.unlink(*[key for key, (_, end) in self.data.items() if end is not None and end <= self.now])

    # -- commands ----------------------------------------------------------------------------------

    def get(self, key: bytes) -> bytes | None:
        return self.data[key][0] if key in self.data else None

    def mget(self, *keys: bytes) -> list[bytes | None]:
        return [self.get(key) for key in keys]

    def exists(self, *keys: bytes) -> int:
        return sum(key in self.data for key in keys)

    def pttl(self, key: bytes) -> int:
        if key not in self.data:
            return -2
        end = self.data[key][1]
        return -1 if end is None else end - self.now

    def set(self, key: bytes, value: bytes, *options: bytes) -> bytes | None:
        if b"NX" in options and key in self.data:
            return None
        end = self.now + int(options[options.index(b"PX") + 1]) if b"PX" in options else None
        if b"KEEPTTL" in options and key in self.data:
            end = self.data[key][1]
        self.data[key] = (value, end)
        self.announce(key)
        return b"OK"

    def pexpire(self, key: bytes, ms: bytes | int) -> int:
        if key not in self.data:
            return 0
        self.data[key] = (self.data[key][0], self.now + int(ms))
        self.announce(key)
        return 1

    def persist(self, key: bytes) -> int:
        if self.pttl(key) < 0:
            return 0
        self.data[key] = (self.data[key][0], None)
        self.announce(key)
        return 1

    def unlink(self, *keys: bytes) -> int:
        gone = [key for key in keys if self.data.pop(key, None) is not None]
        for key in gone:
            self.announce(key)
        return len(gone)

    def flushdb(self) -> bytes:
        self.data = {}
        self.announce(None)
        return b"OK"

    def sadd(self, key: bytes, *members: bytes) -> int:
        before, end = self.data.get(key, ((), None))
        after = tuple(sorted({*before, *members}))
        if after:
            self.data[key] = (after, end)
        return len(after) - len(before)

    def smembers(self, key: bytes) -> list[bytes]:
        return list(self.data.get(key, ((), None))[0])

    def scan(self, _cursor: bytes, *options: bytes) -> list[Any]:
        """Everything in one page."""
        pattern = options[options.index(b"MATCH") + 1].decode()
        return [b"0", sorted(key for key in self.data if fnmatchcase(key.decode(), pattern))]

    # -- channels ----------------------------------------------------------------------------------

    def listen(self, channel: str, signal: Any) -> None:
        """What ``Subscribe`` asks for: the first message sets the signal."""
        self.listeners.setdefault(raw(channel), []).append(signal)

    def publish(self, channel: bytes, _message: bytes = b"") -> None:
        for signal in self.listeners.pop(channel, []):
            signal.set()
