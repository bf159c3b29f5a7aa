"""What a link calls of its socket: as little as possible lies between it and the system."""

from __future__ import annotations

from typing import Any

__all__ = ["calls"]


def calls(sock: Any) -> tuple[Any, Any]:
    """``recv`` and ``sendall`` of a socket that has a timeout.

    Of TLS those beneath, which make a trip a twentieth quicker: OpenSSL writes all that it is given, or fails. Not of
    sockets that were patched (gevent), where these would not wait.
    """
    tls = getattr(sock, "_sslobj", None)
    if tls is None or type(sock).__module__ != "ssl":
        return sock.recv, sock.sendall
    return tls.read, tls.write
