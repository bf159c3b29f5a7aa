"""``Sentinel``: one process that watches a primary and its replicas."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import redis

from .placed import Placed

if TYPE_CHECKING:
    from .places import Place

__all__ = ["Sentinel"]

# What sentinels do every second or every ten seconds, they do here several times a second: a failover takes 0.6 s
# instead of 1.3 s, and an old primary that is alive is demoted within 2 s instead of 10 s.
_FAST = (
    "PING-PERIOD", 100, "ASK-PERIOD", 100, "INFO-PERIOD", 500, "PUBLISH-PERIOD", 200, "TILT-PERIOD", 1000,
    "ELECTION-TIMEOUT", 1000,
)  # fmt: skip


class Sentinel(Placed):
    """One of three sentinels. ``name`` is its name in the network: "s0" to "s2"."""

    def __init__(self, kind: str, name: str, place: Place, user: str | None, password: str | None, text: str) -> None:
        super().__init__(kind, name, place, password)
        self.user = user
        self._fast = False
        self._file = Path(self.directory, "sentinel.conf")
        self._file.write_text(f'{text}port {place.own_port}\ndir "{self.directory}"\nlogfile "{self._log}"\n')

    @property
    def direct(self) -> tuple[str, int]:
        """Where the process itself listens."""
        return self.place.host, self.place.own_port

    def client(self, **options: object) -> redis.Redis:
        """A bare redis-py client of the sentinel itself; closed with it. ``options`` are redis-py's."""
        return super().client(**{"username": self.user, **options})

    def state(self, master: str) -> dict[str, str]:
        """What this sentinel knows of the primary of that name."""
        return _fields(self.ask("SENTINEL", "MASTER", master))

    def is_complete(self, master: str, others: int, replicas: set[tuple[str, int]]) -> bool:
        """Whether this sentinel knows that many others, and takes these replicas for fit to be promoted."""
        state = self.state(master)
        if state["flags"] != "master" or int(state["num-other-sentinels"]) < others:
            return False
        fit = set()
        for each in map(_fields, self.ask("SENTINEL", "REPLICAS", master)):
            if each["flags"] == "slave" and each.get("master-link-status") == "ok":
                fit.add((each["ip"], int(each["port"])))
        return replicas <= fit

    def hurry(self) -> None:
        """Do several times a second what sentinels do every second; now, and after each start."""
        self._fast = True
        with contextlib.suppress(redis.ResponseError):  # before 7.0 there is no such command
            self.ask("SENTINEL", "DEBUG", *_FAST)

    def wait(self, seconds: float = 15.0) -> None:
        """Wait until the sentinel answers; RuntimeError, with its log, if it does not."""
        super().wait(seconds)
        if self._fast:
            self.hurry()

    def _command(self) -> list[str]:
        return [self._binary, str(self._file), "--sentinel"]


def _fields(told: list[bytes]) -> dict[str, str]:
    texts = [each.decode() for each in told]
    return dict(zip(texts[::2], texts[1::2], strict=True))
