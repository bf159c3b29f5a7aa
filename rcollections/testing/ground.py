"""Where several servers stand: on one address, or each on its own behind a network that breaks, with TLS or without."""

from __future__ import annotations

import os
import shutil
import ssl
import sys
import tempfile
from typing import TYPE_CHECKING
from urllib.parse import quote

from .exchange import SERVERS
from .kinds import required_binary, version
from .places import Place, free_places
from .switchboard import Switchboard

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .placed import Placed

__all__ = ["Ground"]

ADDRESSES = 250  # 127.0.1.1 and so on


class Ground:
    """Gives places to servers, and has the network before them if there is one. TLS is the network's."""

    def __init__(self, kind: str, *, network: bool, tls: bool) -> None:
        self.tls = tls
        self._board: Switchboard | None = None
        self._next = 1
        self._directory: str | None = None
        if not (network or tls):
            return
        if sys.platform != "linux":
            raise RuntimeError("network=True and tls=True need Linux, which has many addresses of its own")
        if version(required_binary(kind)) < (7, 0):
            raise RuntimeError(f"network=True and tls=True need servers from 7.0 on, which {kind} is not")
        self._board = Switchboard(self._certified() if tls else None)

    @property
    def network(self) -> Switchboard:
        """The network; RuntimeError if there is none."""
        if self._board is None:
            raise RuntimeError("there is no network that could break: it takes network=True")
        return self._board

    def places(self, count: int) -> list[Place]:
        """Places for so many more servers."""
        if self._board is None:
            return free_places(["127.0.0.1"] * count)
        if self._next + count > ADDRESSES:
            raise RuntimeError(f"there are addresses for {ADDRESSES} servers")
        hosts = [f"{SERVERS}{number}" for number in range(self._next, self._next + count)]
        self._next += count
        return free_places(hosts, behind=True)

    def connect(self, name: str, place: Place, *, bus: bool = False) -> None:
        """Let the server of this place be reached."""
        if self._board is not None:
            self._board.add(name, place, bus=bus)

    def disconnect(self, name: str) -> None:
        """Let this server be reached no longer."""
        if self._board is not None:
            self._board.remove(name)

    def heal(self) -> None:
        """End all faults of the network."""
        if self._board is not None:
            self._board.heal()

    def dsn(self, kind: str, password: str | None, servers: Iterable[Placed], path: str = "", **options: str) -> str:
        """The DSN of these servers together."""
        login = f":{quote(password, safe='')}@" if password else ""
        hosts = ",".join(f"{each.host}:{each.port}" for each in servers)
        if self._directory is not None:
            options["ssl_ca_certs"] = os.path.join(self._directory, "authority.pem")
        query = "&".join(f"{name}={quote(value, safe='/')}" for name, value in options.items())
        return f"{'rediss' if self.tls else 'redis'}+{kind}://{login}{hosts}{path}" + (f"?{query}" if query else "")

    def stop(self) -> None:
        """End the network."""
        if self._board is not None:
            self._board.stop()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _certified(self) -> ssl.SSLContext:
        try:
            import trustme
        except ImportError:
            raise RuntimeError("tls=True makes certificates: pip install trustme") from None
        self._directory = tempfile.mkdtemp(prefix="rcs-")
        authority = trustme.CA()
        authority.cert_pem.write_to_path(os.path.join(self._directory, "authority.pem"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        hosts = [f"{SERVERS}{number}" for number in range(1, ADDRESSES)]
        authority.issue_cert("localhost", *hosts).configure_cert(context)
        return context
