"""Hears what scripts publish, and wakes those who wait for it: one connection and thread per server.

A channel is subscribed when somebody waits for it first, and kept for a while, since keys that are waited for
once are waited for again. A wake-up is a hint: who gets it looks again, so a lost connection simply
wakes everybody.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from .sockets import connector, set_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from .dsn import Dsn

__all__ = ["Wakeups"]

log = logging.getLogger("rcollections")

KEPT = 512  # channels that stay subscribed with nobody waiting
LOOK = 0.5  # seconds after which a silent connection is looked after


class Wakeups:
    """Signals by channel. ``listen`` registers one; it never fails: without a server nobody is woken."""

    def __init__(self, dsn: Dsn) -> None:
        self._dsn = dsn
        self._connect: Callable[[float], Any] = connector(dsn)
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._link: Any = None
        self._waiting: dict[bytes, list[Any]] = {}
        self._channels: OrderedDict[bytes, threading.Event] = OrderedDict()  # set once confirmed

    def listen(self, channel: str, signal: Any) -> None:
        """Set the signal at the next message; when this returns, the server has confirmed or is not there."""
        if self._pid != os.getpid():
            self._reset()  # threads do not survive a fork, and the socket is the parent's
        name = channel.encode()
        with self._lock:
            self._waiting.setdefault(name, []).append(signal)
            confirmed = self._channels.get(name)
            try:
                if confirmed is None:
                    confirmed = self._subscribe(name)
                else:
                    self._channels.move_to_end(name)
            except Exception:  # no wake-ups then: those who wait look again by themselves
                self._drop()
                return
        confirmed.wait(self._dsn.timeout)

    def _subscribe(self, name: bytes) -> threading.Event:
        if self._link is None:
            self._link = self._connect(time.monotonic() + self._dsn.connect_timeout)
            link = self._link
            threading.Thread(target=self._run, args=(link,), name="rcollections-wakeups", daemon=True).start()
        confirmed = self._channels[name] = threading.Event()
        self._send("SUBSCRIBE", name)
        idle = [each for each in self._channels if each not in self._waiting][: len(self._channels) - KEPT]
        if len(self._channels) > KEPT and idle:
            for each in idle:
                del self._channels[each]
            self._send("UNSUBSCRIBE", *idle)
        return confirmed

    def _send(self, *words: Any) -> None:
        self._link.send_packed_command(self._link.pack_command(*words), check_health=False)

    def _run(self, link: Any) -> None:
        try:
            while self._link is link:
                if not link.can_read(LOOK):
                    continue
                set_until(link, time.monotonic() + self._dsn.timeout)
                message = link.read_response(disable_decoding=True)
                kind, name = bytes(message[0]), bytes(message[1])
                with self._lock:
                    if kind == b"subscribe" and name in self._channels:
                        self._channels[name].set()
                    woken = self._waiting.pop(name, []) if kind == b"message" else []
                for signal in woken:
                    signal.set()
        except Exception:  # whatever broke: the connection is not to be trusted any more
            log.debug("the connection that hears wake-ups was lost", exc_info=True)
        with self._lock:
            if self._link is link:
                self._drop()
        link.disconnect()

    def _drop(self) -> None:
        """Forget the connection and wake everybody, so that they look for themselves."""
        self._link = None
        waiting, self._waiting = self._waiting, {}
        channels, self._channels = self._channels, OrderedDict()
        for event in channels.values():
            event.set()
        for signals in waiting.values():
            for signal in signals:
                signal.set()

    def close(self) -> None:
        """End the thread; whoever waits looks for himself."""
        if self._pid == os.getpid():
            with self._lock:
                self._drop()
