"""``Node``: one server of several that belong together, in a cluster or behind sentinels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .kinds import version
from .placed import Placed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .places import Place

__all__ = ["Node", "Role"]

Role = Literal["primary", "replica"]


class Node(Placed):
    """A server that ``Cluster`` or ``SentinelTrio`` has started. ``name`` is its name in the network: "n0", "n1" …

    ``host`` and ``port`` are where clients find it, ``id`` is its id in a cluster (empty behind sentinels).
    ``client()`` goes to the process itself, past any network that is broken.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        place: Place,
        *,
        node_id: str = "",
        password: str | None = None,
        settings: Mapping[str, object],
    ) -> None:
        super().__init__(kind, name, place, password)
        self.id = node_id
        self.socket = os.path.join(self.directory, "s")
        self._settings: dict[str, object] = {
            "port": place.own_port,
            "bind": place.host,
            "unixsocket": self.socket,
            "dir": self.directory,
            "logfile": self._log,
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            "repl-diskless-sync": "yes",
            "repl-diskless-sync-delay": "0",
            "repl-diskless-load": "on-empty-db",  # Valkey looks once a second whether a load from disk has ended
            **({"enable-debug-command": "yes"} if version(self._binary) >= (7, 0) else {}),
            **({"requirepass": password, "masterauth": password} if password else {}),
            **settings,
        }

    @property
    def direct(self) -> str:
        """The unix socket of the process itself, which no network stands before."""
        return self.socket

    def write(self, name: str, text: str) -> None:
        """Put a file into the directory of the node."""
        Path(self.directory, name).write_text(text, "ascii")

    def role(self) -> Role:
        """What the server itself says of its role; an error of redis-py if it is down or frozen."""
        return "primary" if self.ask("ROLE")[0] == b"master" else "replica"

    def linked(self) -> bool:
        """Whether this is a primary, or a replica that has a copy of its primary's data and follows it."""
        told = self.ask("ROLE")
        return bool(told[0] == b"master" or told[3] == b"connected")

    def _command(self) -> list[str]:
        command = [self._binary]
        for name, value in self._settings.items():
            command += [f"--{name}", *str(value).split(" ")] if name == "replicaof" else [f"--{name}", str(value)]
        return command
