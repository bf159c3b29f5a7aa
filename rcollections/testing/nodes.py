"""``Node``: one server of several that belong together, in a cluster or behind sentinels."""

from __future__ import annotations

import os
import re
import shutil
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
            "rdb-del-sync-files": "yes",  # a replica that starts again is empty too
            "repl-diskless-load": "on-empty-db",  # Valkey looks once a second whether a load from disk has ended
            **({"enable-debug-command": "yes"} if version(self._binary) >= (7, 0) else {}),
            **({"requirepass": password, "masterauth": password} if password else {}),
            **(_seen_elsewhere(place) if place.behind else {}),
            **settings,
        }
        self._changed: dict[str, str] = {}

    @property
    def direct(self) -> str:
        """The unix socket of the process itself, which no network stands before."""
        return self.socket

    def write(self, name: str, text: str) -> None:
        """Put a file into the directory of the node."""
        Path(self.directory, name).write_text(text, "ascii")

    def launch(self) -> None:
        """Start the process and wait for nothing: several servers come up side by side."""
        self._changed.clear()
        super().launch()

    def forget(self) -> None:
        """Remove all data that the node may have written, and what it knew; the process has to be down."""
        for path in Path(self.directory).iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != self._log:
                path.unlink()

    def role(self) -> Role:
        """What the server itself says of its role; an error of redis-py if it is down or frozen."""
        return "primary" if self.look("ROLE")[0] == b"master" else "replica"

    def configure(self, **settings: object) -> None:
        """``CONFIG SET`` for settings written with ``_`` for ``-``; ``heal()`` gives back what they were."""
        for name, value in settings.items():
            option = name.replace("_", "-")
            before = self.look("CONFIG", "GET", option)[1].decode()
            self.ask("CONFIG", "SET", option, str(value))
            self._changed.setdefault(option, before)

    def unchanged(self) -> None:
        """Give back all settings that ``configure`` has changed."""
        while self._changed:
            option, before = self._changed.popitem()
            self.ask("CONFIG", "SET", option, before)

    def linked(self) -> bool:
        """Whether this is a primary, or a replica that has a copy of its primary's data and follows it."""
        told = self.look("ROLE")
        return bool(told[0] == b"master" or told[3] == b"connected")

    def followed(self) -> bool:
        """Whether all replicas that have come to it, if it is a primary, get what it writes.

        One that has just got its copy is sent nothing before its first word to the primary, up to a second later: then
        the primary knows how far it is.
        """
        told: bytes = self.look("INFO", "replication")
        if b"role:master" not in told:
            return True
        replicas = int(told.partition(b"connected_slaves:")[2].split(b"\r\n")[0])
        return len(re.findall(rb"state=online,offset=[1-9]", told)) >= replicas

    def _command(self) -> list[str]:
        command = [self._binary]
        for name, value in self._settings.items():
            command += [f"--{name}", *str(value).split(" ")] if name == "replicaof" else [f"--{name}", str(value)]
        return command


def _seen_elsewhere(place: Place) -> dict[str, object]:
    return {
        "bind-source-addr": place.host,  # the network knows by it who speaks
        "protected-mode": "no",
        "replica-announce-ip": place.host,
        "replica-announce-port": place.port,
    }
