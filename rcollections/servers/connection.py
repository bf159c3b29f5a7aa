"""One configured server: its connections, its round trips, and who repeats what after a failure.

Only steps that read are sent again when a connection breaks (their replies cannot count twice), and
steps that the server refused before running them: NOSCRIPT, LOADING. A write whose reply was cut
raises, since nobody can know whether it took effect.
"""

from __future__ import annotations

import os
import random
import threading
import time
from typing import TYPE_CHECKING, Any

import hiredis
import redis.exceptions as theirs

from ..coherence.tiering import Tiering, any_tiers, wrote, wrote_anything
from ..coherence.wakeups import Wakeups
from ..errors import CacheError, CacheTimeout
from ..plans.effects import Command, Script, Seen
from ..plans.flights import Flights
from ..plans.naming import tag
from ..plans.steps import empty_reply, repeatable, written
from ..values import Codec
from ..wire.clock import no_deadline
from ..wire.clock import until as until_
from ..wire.forks import after_fork
from ..wire.pool import Pool
from ..wire.run_id import MEMORY, run_id
from ..wire.signals import Signal
from ..wire.sockets import connector, set_until
from ..wire.translate import is_loading, translate
from ..wire.words import key_of, words
from .background import try_submit
from .breaker import Breaker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..plans.effects import Arg, Step
    from ..values.signing import Keyring
    from ..wire.dsn.dsn import Dsn
    from .embedded.server import EmbeddedServer

__all__ = ["Connection"]

# How often a step that may be repeated is sent again; a deadline or the timeout usually ends it sooner.
RETRIES = 2


class Connection:
    """What ``connection(name)`` gives: round trips to one server, safe for threads and forks."""

    def __init__(self, dsn: Dsn, keyring: Callable[[], Keyring | None]) -> None:
        self.dsn = dsn
        self.namespace = dsn.namespace
        self.disabled = os.environ.get("CACHES_DISABLE", "") == "1"
        self._keyring = keyring
        self._pool: Pool | None = None
        self._embedded: EmbeddedServer | None = None
        self._codecs: dict[Any, Codec] = {}
        self._wakeups: Wakeups | None = None
        self._tiering: Tiering | None = None
        self._tags = tag(dsn.namespace, "")
        self._lock = threading.RLock()
        self._sent: set[str] = set()  # scripts of which the text was sent
        self.breaker = Breaker(dsn.shown, self._ping, _start)
        self.flights = Flights(Signal)  # of all threads; each event loop has its own
        after_fork(self._after_fork)

    def __repr__(self) -> str:
        return f"Connection({self.dsn.shown!r})"

    def _ping(self) -> None:
        self.one(Command(("PING",)))

    def _after_fork(self) -> None:
        self._lock = threading.RLock()
        self.flights.forget()  # whoever was computing here is a thread of the parent
        self.breaker.renew_lock()

    def codec(self, serializer: Any) -> Codec:
        """The codec of values for a class with this ``serializer``, under this connection's limits."""
        try:
            return self._codecs[serializer]
        except KeyError:
            codec = self._codecs[serializer] = self._make_codec(serializer)
            return codec
        except TypeError:  # an unhashable serializer object
            return self._make_codec(serializer)

    def _make_codec(self, serializer: Any) -> Codec:
        return Codec(
            serializer,
            compress_above=self.dsn.compress_above,
            max_value=self.dsn.max_value,
            keyring=self._keyring,
        )

    def raw(self, command: str, *args: Arg) -> Any:
        """Send one command as it is and give its raw reply (bytes, ints, lists): the way out.

        Nothing is encoded, namespaced, or repeated after a failure, except the reading commands.
        Errors are this library's. One round trip.

        >>> from rcollections import connection
        >>> connection().raw("ECHO", "hello")
        b'hello'
        """
        if not isinstance(command, str) or not command.strip():
            raise CacheError("raw() takes the name of a command first, then its arguments")
        return self.one(Command((*command.upper().split(), *args)))

    def one(self, step: Step) -> Any:
        """Carry out one step; its reply, or its error as one of ours."""
        reply = self._attempt((step,), False)[0]
        if isinstance(reply, Exception):
            raise translate(reply, self.dsn.shown, key_of(step))
        return reply

    def many(self, steps: Sequence[Step], atomic: bool, keep_errors: bool) -> list[Any]:
        """Carry out several steps in one round trip; see ``Batch``."""
        if not steps:
            return []
        return self._translated(steps, self._attempt(steps, atomic), keep_errors)

    def _translated(self, steps: Sequence[Step], raw: list[Any], keep_errors: bool) -> list[Any]:
        replies = [
            translate(reply, self.dsn.shown, key_of(step)) if isinstance(reply, Exception) else reply
            for step, reply in zip(steps, raw, strict=True)
        ]
        if not keep_errors:
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
        return replies

    def look(self, key: str, steps: Sequence[Step], keep_errors: bool = False) -> Seen:
        """Carry out reads whose replies may be held in the process; see ``Look`` and ``many``."""
        asked = _Asked(key)
        replies = self._translated(steps, self._attempt(steps, False, asked), keep_errors)
        return Seen(replies, asked.ms, asked.server)

    def wrote(self, steps: Sequence[Step]) -> None:
        """These steps were sent, or may have been: what they wrote is held in this process no longer (F6)."""
        for step in steps:
            keys = written(step, self._tags)
            if keys is None:
                wrote_anything()
            elif keys:
                wrote(keys)

    def _attempt(self, steps: Sequence[Step], atomic: bool, asked: _Asked | None = None) -> list[Any]:
        if self.disabled:
            return [empty_reply(step) for step in steps]
        if asked is not None or not any_tiers():
            return self._tries(steps, atomic, asked)
        try:
            return self._tries(steps, atomic, None)
        finally:
            self.wrote(steps)

    def _tries(self, steps: Sequence[Step], atomic: bool, asked: _Asked | None) -> list[Any]:
        commands = [words(step, atomic or self.is_new(step)) for step in steps]
        until = until_(self.dsn.timeout)
        safe = not atomic and all(repeatable(step) for step in steps)
        tries = 0
        while True:
            try:
                replies = self._trip(commands, atomic, until, asked)
            except (theirs.TimeoutError, TimeoutError) as error:
                raise translate(error, self.dsn.shown, key_of(steps[0])) from error
            except (_NotSent, theirs.ConnectionError, OSError) as error:
                cause = error.__cause__ if isinstance(error, _NotSent) else error
                tries += 1
                if tries > RETRIES or not (safe or isinstance(error, _NotSent)) or not self._pause(until, tries):
                    raise translate(cause or error, self.dsn.shown, key_of(steps[0])) from cause
                continue
            if any(is_loading(reply) for reply in replies if isinstance(reply, Exception)):
                tries += 1
                if (safe or len(steps) == 1) and self._pause(until, tries):
                    continue
            return self._load_scripts(steps, replies, atomic, until)

    def is_new(self, step: Step) -> bool:
        """Whether the text of this script has to be sent: once, which spares a trip to be told NOSCRIPT."""
        return isinstance(step, Script) and step.name not in self._sent

    def sent(self, steps: Sequence[Step]) -> None:
        """These steps were answered: the server knows their scripts."""
        self._sent.update(step.name for step in steps if isinstance(step, Script))

    def _load_scripts(self, steps: Sequence[Step], replies: list[Any], atomic: bool, until: float) -> list[Any]:
        """Send the text of scripts that the server did not know: it ran nothing of them yet."""
        missing = [n for n, reply in enumerate(replies) if isinstance(reply, theirs.NoScriptError)]
        self.sent(steps)
        if missing and not atomic:
            again = self._trip([words(steps[n], True) for n in missing], False, until)
            for n, reply in zip(missing, again, strict=True):
                replies[n] = reply
        return replies

    def _trip(
        self, commands: list[tuple[Arg, ...]], atomic: bool, until: float, asked: _Asked | None = None
    ) -> list[Any]:
        """Send all, read all. Error replies stand in the list; a broken connection is raised."""
        pool = self._pool or self._open()
        try:
            link = pool.acquire(until)
        except CacheTimeout:
            raise
        except (theirs.TimeoutError, TimeoutError):
            raise
        except (theirs.ConnectionError, OSError) as error:
            if isinstance(error, theirs.AuthenticationError):
                raise translate(error, self.dsn.shown, "") from error
            self._heal()
            raise _NotSent from error
        except theirs.RedisError as error:
            raise translate(error, self.dsn.shown, "") from error
        try:
            set_until(link, until)
            if asked is not None:
                commands = [*asked.questions(link, self.dsn.kind), *commands]
            if atomic:
                commands = [("MULTI",), *commands, ("EXEC",)]
            link.send_packed_command([b"".join(map(_pack, commands))])
            replies = []
            for n in range(len(commands)):
                if n:
                    set_until(link, until_(self.dsn.timeout))
                replies.append(_read(link))
        except BaseException:
            pool.discard(link)
            raise
        if asked is not None:
            replies = asked.answers(link, replies)
        pool.release(link)
        return _unwrap(replies) if atomic else replies

    @property
    def wakeups(self) -> Wakeups:
        """Who hears what is published on this server."""
        if self._wakeups is None:
            dsn = self.dsn
            if dsn.kind == "embedded":
                dsn = dsn.replace(kind="server", path=self.socket_path())
            with self._lock:
                listener = None if self._tiering is None else self._tiering.listener
                self._wakeups = self._wakeups or Wakeups(dsn, listener)
        return self._wakeups

    @property
    def tiering(self) -> Tiering:
        """What this connection does about the in-process tier."""
        if self._tiering is None:
            dsn = self.dsn
            if dsn.kind == "embedded":
                dsn = dsn.replace(kind="server", path=self.socket_path())
            with self._lock:
                self._tiering = self._tiering or Tiering(dsn, lambda user: user.l1_prefixes(self))
        return self._tiering

    @property
    def has_tiering(self) -> bool:
        """Whether anybody asked for the tier yet."""
        return self._tiering is not None

    def socket_path(self) -> str:
        """The unix socket of the server, or "" for TCP. Starts an embedded server if it has to."""
        if self.dsn.kind != "embedded":
            return self.dsn.path
        with self._lock:
            if self._embedded is None:
                from .embedded.server import open_embedded

                self._embedded = open_embedded(self.dsn.path)
            self._embedded.ensure()
            return str(self._embedded.socket)

    def _open(self) -> Pool:
        dsn = self.dsn
        if dsn.kind == "embedded":
            dsn = dsn.replace(kind="server", path=self.socket_path())
        with self._lock:
            if self._pool is None:
                self._pool = Pool(connector(dsn), dsn.max_connections, self.dsn.shown)
            return self._pool

    def _heal(self) -> None:
        if self._embedded is not None:
            self._embedded.ensure()

    def _pause(self, until: float, tries: int) -> bool:
        """Wait a little before the next try; False when the time is up."""
        pause = min(0.1, 0.005 * 2**tries) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads callers, guards nothing
        if time.monotonic() + pause >= until:
            return False
        time.sleep(pause)
        return True

    def close(self) -> None:
        """Close the connections; the next use opens new ones. The last user stops an embedded server."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()
        tiering, self._tiering = self._tiering, None
        if tiering is not None:
            tiering.close()
        wakeups, self._wakeups = self._wakeups, None
        if wakeups is not None:
            wakeups.close()
        embedded, self._embedded = self._embedded, None
        if embedded is not None:
            embedded.close()


def _start(probe: Callable[[], None]) -> bool:
    def run() -> None:
        no_deadline()  # of the caller that happened to start it
        probe()

    return try_submit(run) is not None


class _Asked:
    """What is asked before reads that may be held: who the server is, once a connection, and the ttl of the key."""

    def __init__(self, key: str) -> None:
        self._key = key
        self.ms: int | None = None
        self.server = b""

    def questions(self, link: Any, kind: str) -> list[tuple[Arg, ...]]:
        if kind == "memory":
            link.server = MEMORY
        known = getattr(link, "server", None)
        ttl: tuple[Arg, ...] = ("PTTL", self._key)
        return [ttl] if known is not None else [("INFO", "server"), ttl]

    def answers(self, link: Any, replies: list[Any]) -> list[Any]:
        if getattr(link, "server", None) is None:
            first, *replies = replies
            if not isinstance(first, Exception) or isinstance(first, theirs.NoPermissionError):
                link.server = run_id(first)  # else it is busy, or loading: it will be asked again
        self.server = getattr(link, "server", None) or b"?"
        self.ms = None if isinstance(replies[0], Exception) else replies[0]
        return replies[1:]


_pack: Any = hiredis.pack_command


class _NotSent(Exception):
    """No connection could be had, so nothing was sent: any step may be tried again."""


def _read(link: Any) -> Any:
    try:
        return link.read_response(disable_decoding=True, disconnect_on_error=False)
    except theirs.AuthenticationError as error:
        return error
    except theirs.BusyLoadingError as error:
        return error
    except theirs.ResponseError as error:
        return error


def _unwrap(replies: list[Any]) -> list[Any]:
    """The replies inside EXEC's. A step that was refused when it was queued aborts the whole of them."""
    result = replies[-1]
    if isinstance(result, Exception):
        refused = next((reply for reply in replies[1:-1] if isinstance(reply, Exception)), result)
        return [refused] * (len(replies) - 2)
    return list(result)
