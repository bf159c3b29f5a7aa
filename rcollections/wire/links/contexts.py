"""TLS contexts, kept for further connections: making one reads all authorities of the system, 25 ms of a core.

A process that opens links to six nodes would spend that on each of them. Files of certificates that have changed since
then make a new one.
"""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["wrapped"]

FILES = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
MOST = 32  # contexts

Stamps: TypeAlias = "tuple[tuple[int, int] | None, ...]"

_known: dict[tuple[Any, ...], tuple[Stamps, Any]] = {}


def wrapped(sock: Any, host: str, options: Mapping[str, Any], first: Callable[[Any], Any]) -> Any:
    """TLS over this socket to ``host``, with these ``ssl_`` options. ``first`` makes it where no context is kept."""
    key = (ssl.SSLContext, *sorted(options.items()))  # gevent has a class of its own
    stamps = tuple(_stamp(options.get(name)) for name in FILES)
    kept = _known.get(key)
    if kept is not None and kept[0] == stamps:
        return kept[1].wrap_socket(sock, server_hostname=host)
    made = first(sock)
    if len(_known) >= MOST:
        _known.clear()
    _known[key] = stamps, made.context
    return made


def _stamp(path: Any) -> tuple[int, int] | None:
    """What changes with a file."""
    if not path:
        return None
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino
