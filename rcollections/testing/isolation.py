"""An empty server for a block of code; afterwards all is forgotten."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..observe import collector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..servers.connection import Connection

__all__ = ["isolated"]


@contextmanager
def isolated(dsn: str = "memory://") -> Iterator[Connection]:
    """An empty ``memory://`` server as the default connection, for a block of code.

    Connections, memory servers, signing keys, observers and counts are forgotten on entry and on exit; the
    environment is read again afterwards. ``dsn`` may name another server, which is not emptied. A DSN that
    cannot be read is a ``ConfigError``; whether the server answers shows with the first operation.

    >>> from rcollections import KeyCache
    >>> from rcollections.testing import isolated
    >>> with isolated():
    ...     KeyCache("greeting", data="hello").data
    'hello'
    """
    # Imported here, not above: pytest loads the fixture in each run, also when no test asks for a server.
    from ..servers import registry

    def forget() -> None:
        registry.reset()
        collector.reset()

    forget()
    try:
        registry.ignore_environment()
        registry.configure(dsn)
        yield registry.connection()
    finally:
        forget()
