"""``quickened``: the link of a pool of threads, compiled where that can be. ``RCOLLECTIONS_PURE=1`` forbids it.

The compiled ``Line`` waits in the kernel, so it serves plain sockets that block: no TLS, and no sockets that were
patched so that other greenlets run meanwhile (gevent, eventlet).
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

from .link import Link

if TYPE_CHECKING:
    from .._line import Line

__all__ = ["CompiledLink", "quickened"]

_line: type[Line] | None = None
if not os.environ.get("RCOLLECTIONS_PURE"):
    try:
        from .._line import Line as _Line
    except ImportError:  # not built: no compiler, no POSIX, or a bare checkout
        pass
    else:
        _line = _Line


class CompiledLink(Link):
    """A link whose quick try is compiled. All else is done as by a ``Link``, and by the same reader."""

    __slots__ = ("_line", "ask", "get", "put")

    def __init__(self, link: Link, line: type[Line], timeout: float) -> None:
        super().__init__(link._made, link.sock)
        self.server, self.opened = link.server, link.opened
        self.sock.settimeout(None)
        self._line = line(self.sock.fileno(), timeout, self._feed)
        # In the places of the methods.
        self.ask = self._line.ask  # type: ignore[method-assign]
        self.put = self._line.put  # type: ignore[method-assign]
        self.get = self._line.get  # type: ignore[method-assign]

    def rest(self, count: int, until: float, timeout: float, began: float) -> list[object]:
        """As of ``Link``, of the bytes that the compiled part has left to the reader."""
        came = self._line.came
        self._part = ([], came) if came else None
        replies = super().rest(count, until, timeout, began)
        self._ready()
        return replies

    def exchange(self, data: bytes, count: int, until: float, timeout: float) -> list[object]:
        """As of ``Link``."""
        replies = super().exchange(data, count, until, timeout)
        self._ready()
        return replies

    def _ready(self) -> None:
        """Let the socket block again, and the compiled part read what comes, unless the reader holds a part of it."""
        self.sock.settimeout(None)
        self._line.odd = self._reader.has_data()

    @property
    def idle(self) -> bool:
        """As of ``Link``."""
        return not self._line.odd and self._line.quiet()

    def close(self) -> None:
        """As of ``Link``."""
        self._line.shut()
        super().close()


def quickened(link: Any, timeout: float) -> Any:
    """This link, or a compiled one in its place. ``timeout``: the seconds that a call has without a deadline."""
    if _line is None or type(link) is not Link or type(link.sock) is not socket.socket:
        return link
    if socket.socket.__module__ != "socket" or not 0 < timeout < 1e6:  # patched, or no time for the kernel
        return link
    return CompiledLink(link, _line, timeout)
