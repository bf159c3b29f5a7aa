"""``Tls``: TLS in front of a real server, for servers that were built without it. Certificates are made on the spot."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

import trustme

if TYPE_CHECKING:
    from pathlib import Path

    from rcollections.testing import Proxy, Server

__all__ = ["Tls"]


class Tls:
    """Listens on a port with TLS, and carries what comes to the server and back, one thread a direction."""

    def __init__(
        self, server: Server | Proxy, directory: Path, *, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ) -> None:
        authority = trustme.CA()
        self.authority = directory / "authority.pem"
        authority.cert_pem.write_to_path(self.authority)
        self._server = server
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.maximum_version = version
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(self._context)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ends: list[Any] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def dsn(self) -> str:
        """Where clients connect."""
        return f"rediss://localhost:{self.port}/0?ssl_ca_certs={self.authority}"

    def cut(self) -> None:
        """End all connections, without the good-bye of TLS."""
        while self._ends:
            _close(self._ends.pop())

    def stop(self) -> None:
        """End all, and wait for the threads."""
        _close(self._listener)
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def __enter__(self) -> Tls:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(plain,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket) -> None:
        try:
            client = self._context.wrap_socket(plain, server_side=True)
        except OSError:  # the client does not trust us
            plain.close()
            return
        address = self._server.address
        below = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        try:
            below.connect(address)
        except OSError:  # the server is gone: so is this connection
            _close(client)
            _close(below)
            return
        self._ends += [client, below]
        back = threading.Thread(target=_carry, args=(below, client), daemon=True)
        self._threads.append(back)
        back.start()
        _carry(client, below)


def _carry(source: Any, target: Any) -> None:
    with contextlib.suppress(OSError, ValueError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    _close(source)
    _close(target)


def _close(end: Any) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        end.close()
