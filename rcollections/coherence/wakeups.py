"""Hears messages that scripts publish, and wakes waiting callers: by the listener's connection, or by one of its own.

The first caller that waits for a channel subscribes it. The channel stays subscribed for a while, since a key that
callers have waited for is often waited for again. A wake-up is a hint: a caller that gets one looks again, so a lost
connection simply wakes all callers. Where the server allows no SUBSCRIBE, signals are deaf and callers look more often.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

from ..forks import after_fork
from ..wire.elsewhere import elsewhere
from ..wire.failures import ErrorReply
from ..wire.packing import pack

if TYPE_CHECKING:
    from ..wire.dsn.dsn import Dsn
    from .listener import Listener

__all__ = ["Wakeups", "Waking"]

log = logging.getLogger("rcollections")

KEPT = 512  # channels that stay subscribed without a waiting caller
LOOK = 0.5  # seconds after which the thread of a silent connection checks whether it has to end
REFUSED = 60.0  # seconds for which nobody tries to subscribe after the server has refused it
LAST_PAUSE = 10.0  # seconds between two attempts to listen where listening does not work


class Line:
    """A connection of our own to hear on."""

    def __init__(self, dsn: Dsn) -> None:
        from ..wire.links.opening import connector  # only now: this module imports redis-py

        self._dsn = dsn
        self.link = connector(dsn)(time.monotonic() + dsn.connect_timeout)

    def send(self, *words: object) -> None:
        self.link.send(words, self._dsn.timeout)

    def stop(self) -> None:
        with contextlib.suppress(Exception):  # wakes the thread, which closes the connection
            self.link.wake()


class Waking(Protocol):
    """Where plans ask to be woken."""

    def listen(self, channel: str, signal: Any, /) -> None: ...


class Wakeups:
    """Signals by channel. ``listen`` registers a signal and never fails: without a server the signal is deaf."""

    def __init__(self, dsn: Dsn, listener: Listener | None = None) -> None:
        self._dsn = dsn.replace(protocol=2)
        self._listener = listener
        if listener is not None:
            listener.followers.add(self)
        self._reset()
        after_fork(self._after_fork)

    def _after_fork(self) -> None:
        line = self._line
        self._reset()
        if type(line) is Line:
            line.link.close()  # the child's copy; its thread is in the parent

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._line: Any = None  # a Line, or the listener's Ear
        # Weak, so that a signal goes with the caller that waits for it.
        self._waiting: dict[bytes, WeakSet[Any]] = {}
        self._channels: OrderedDict[bytes, threading.Event] = OrderedDict()  # set when the server confirms
        self._pause = 0.0
        self._again_at = 0.0
        self._may = False  # whether the user may subscribe here: tried before the listener's connection does it
        self._refused_until = 0.0

    def listen(self, channel: str, signal: Any) -> None:
        """Set the signal at the next message. On return the server has confirmed, or ``signal.deaf`` is True."""
        elsewhere(lambda: self._listen(channel, signal))

    def _listen(self, channel: str, signal: Any) -> None:
        name = channel.encode()
        with self._lock:
            now = time.monotonic()
            if (self._line is None and now < self._again_at) or now < self._refused_until:
                signal.deaf = True
                return
            try:
                confirmed = self._channels.get(name)
                if confirmed is None:
                    confirmed = self._subscribe(name)
                else:
                    self._channels.move_to_end(name)
                self._waiting.setdefault(name, WeakSet()).add(signal)
            except Exception:  # no wake-ups then: waiting callers look again by themselves
                log.debug("nobody can be woken: there is no connection to listen on", exc_info=True)
                signal.deaf = True
                self._drop()
                return
        if not confirmed.wait(self._dsn.timeout):
            signal.deaf = True

    def _subscribe(self, name: bytes) -> threading.Event:
        if self._line is None and self._listener is not None and self._listener.ear is not None:
            self._try(name)
            self._line = self._listener.ear
        if self._line is None:
            line = self._line = Line(self._dsn)
            try:
                threading.Thread(target=self._run, args=(line,), name="rcollections-wakeups", daemon=True).start()
            except BaseException:  # too many threads, or the interpreter ends: nobody would close the connection
                line.link.close()
                raise
        confirmed = self._channels[name] = threading.Event()
        self._line.send("SUBSCRIBE", name)
        over = len(self._channels) - KEPT
        idle = [each for each in self._channels if each != name and not self._waiting.get(each)][: max(0, over)]
        for each in idle:
            del self._channels[each]
            self._waiting.pop(each, None)
        if idle:
            self._line.send("UNSUBSCRIBE", *idle)
        return confirmed

    def _try(self, name: bytes) -> None:
        """Q4: an error on the listener's connection ends its proof, so another connection tries it first, once."""
        if self._may:
            return
        link = Line(self._dsn).link
        try:
            end = time.monotonic() + self._dsn.timeout
            reply = link.exchange(pack(("SUBSCRIBE", name)), 1, end, self._dsn.timeout)[0]
        finally:
            link.close()
        if isinstance(reply, ErrorReply):
            self._refused_until = time.monotonic() + REFUSED
            raise reply
        self._may = True

    def _run(self, line: Line) -> None:
        link = line.link
        try:
            while self._line is line:
                for message in link.hear(LOOK):
                    self.heard(message)
        except Exception:  # after any error the connection cannot be trusted any more
            log.debug("the connection that hears wake-ups was lost", exc_info=True)
        self.lost(line)
        link.close()

    def heard(self, message: Any) -> None:
        """A message came on a channel, or the server confirmed a subscription."""
        kind, name = bytes(message[0]), bytes(message[1])
        woken: Any = ()
        with self._lock:
            if kind == b"message":
                self._pause = 0.0  # listening works
                woken = self._waiting.pop(name, ())
            elif kind == b"subscribe" and name in self._channels:
                self._channels[name].set()
        for signal in woken:
            signal.set()

    def lost(self, line: Any) -> None:
        """This connection is gone: no message comes on it any more."""
        with self._lock:
            if self._line is line:
                self._drop()

    def _drop(self) -> None:
        """Forget the connection and wake all waiting callers, so that they look for themselves.

        After the first loss listening may go on at once; after repeated losses, only after longer pauses.
        """
        self._line = None
        self._again_at = time.monotonic() + self._pause
        self._pause = min(LAST_PAUSE, 2 * self._pause or 0.25)
        waiting, self._waiting = self._waiting, {}
        channels, self._channels = self._channels, OrderedDict()
        for event in channels.values():
            event.set()
        for signals in waiting.values():
            for signal in signals:
                signal.set()

    def renew(self) -> None:
        """The address leads to another server by now: listen there from the next caller on."""
        with self._lock:
            line = self._line
            if type(line) is not Line:
                return  # the listener's own connection: it says so itself when it goes
            self._drop()
        line.stop()

    def close(self) -> None:
        """End the thread; waiting callers look for themselves."""
        with self._lock:
            line = self._line
            self._drop()
        if type(line) is Line:
            line.stop()
