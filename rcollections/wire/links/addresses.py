"""Connects to a name with several addresses: an address that does not answer does not use up the time of the others.

Like RFC 8305 ("Happy Eyeballs"): families in turn, and where one address has not answered after a moment, the next one
is tried beside it. The first connection that is there is used.
"""

from __future__ import annotations

import errno
import select
import socket
import time
from contextlib import suppress
from itertools import chain, zip_longest
from typing import Any, TypeAlias

__all__ = ["connect"]

NEXT = 0.25  # seconds until the next address is tried as well, at most; with little time its share of it
_UNDER_WAY = (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY)

_Address: TypeAlias = "tuple[Any, ...]"  # as getaddrinfo gives it


def connect(host: str, port: int, until: float) -> socket.socket:
    """A TCP connection to one of the addresses of this name, by that instant; TimeoutError or another OSError."""
    addresses = in_turn(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
    if len(addresses) == 1:
        return _alone(addresses[0], until)
    attempts = _Attempts()
    try:
        return attempts.first(addresses, until)
    finally:
        attempts.close()


def in_turn(found: list[_Address]) -> list[_Address]:
    """These addresses, the families in turn; the first stays the first."""
    if not found:
        raise OSError("the name has no address")
    first = [each for each in found if each[0] == found[0][0]]
    others = [each for each in found if each[0] != found[0][0]]
    return [each for each in chain.from_iterable(zip_longest(first, others)) if each is not None]


def _alone(address: _Address, until: float) -> socket.socket:
    sock = _socket(address)
    try:
        sock.settimeout(_left(until))
        sock.connect(address[4])
    except BaseException:
        sock.close()
        raise
    return sock


def _socket(address: _Address) -> socket.socket:
    sock = socket.socket(*address[:3])
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


class _Attempts:
    """Connections that are being opened at the same time."""

    def __init__(self) -> None:
        self._open: dict[int, socket.socket] = {}
        self._error: OSError | None = None

    def first(self, addresses: list[_Address], until: float) -> socket.socket:
        """The first connection that is there. The next address is tried at once where one refuses."""
        pause = min(NEXT, _left(until) / len(addresses))
        for number, address in enumerate(addresses):
            self._begin(address)
            last = number == len(addresses) - 1
            if found := self._wait(until if last else min(until, time.monotonic() + pause)):
                return found
        if self._open or self._error is None:
            raise TimeoutError("timed out")
        raise self._error

    def _begin(self, address: _Address) -> None:
        try:
            sock = _socket(address)
        except OSError as error:  # this machine may lack the family
            self._error = error
            return
        self._open[sock.fileno()] = sock
        sock.setblocking(False)
        code = sock.connect_ex(address[4])
        if code not in (0, *_UNDER_WAY):
            self._failed(sock.fileno(), code)

    def _wait(self, until: float) -> socket.socket | None:
        """The first connection that is there by that instant; None sooner if none is under way any more."""
        while self._open:
            left = max(0.0, until - time.monotonic())
            poll = select.poll()
            for number in self._open:
                poll.register(number, select.POLLOUT)
            ready = poll.poll(left * 1000)
            if not ready and not left:
                return None
            for number, _ in ready:
                code = self._open[number].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not code:
                    sock = self._open.pop(number)
                    sock.setblocking(True)
                    return sock
                self._failed(number, code)
        return None

    def _failed(self, number: int, code: int) -> None:
        self._open.pop(number).close()
        self._error = OSError(code, _text(code))

    def close(self) -> None:
        """Give up what is still under way."""
        for sock in self._open.values():
            with suppress(OSError):
                sock.close()
        self._open.clear()


def _text(code: int) -> str:
    from os import strerror

    return strerror(code)
