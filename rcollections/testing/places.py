"""Where the nodes of a cluster listen: ports for clients and for the bus, known before anything is started."""

from __future__ import annotations

import os
import random
import socket
from contextlib import ExitStack
from typing import NamedTuple

__all__ = ["Place", "free_places"]

# Below the ports that kernels give to outgoing connections, those of the bus too: so a node that was killed finds
# its ports free when it starts again.
_FIRST, _LAST = 10_200, 21_900
_BUS = 10_000  # what servers before 7.0 always add

_random = random.Random(os.urandom(8))  # noqa: S311 - no secret; test processes side by side draw differently, whatever seed a test sets


class Place(NamedTuple):
    """An address for clients with the port of the bus, and the ports where the process itself listens."""

    host: str
    port: int
    own_port: int

    @property
    def bus(self) -> int:
        """The port of the cluster's bus, as other nodes see it."""
        return self.port + _BUS

    @property
    def own_bus(self) -> int:
        """The port of the cluster's bus where the process listens."""
        return self.own_port + _BUS


def free_places(hosts: list[str], *, behind: bool = False) -> list[Place]:
    """Places that are free at this moment; ``behind``: the processes listen elsewhere than where they are seen."""
    with ExitStack() as held:
        places = []
        for host in hosts:
            port = _free_port(host, held)
            places.append(Place(host, port, _free_port(host, held) if behind else port))
        return places


def _free_port(host: str, held: ExitStack) -> int:
    for _ in range(1000):
        port = _random.randint(_FIRST, _LAST)
        try:
            for number in (port, port + _BUS):
                probe = held.enter_context(socket.socket())
                probe.bind((host, number))
        except OSError:
            continue
        return port
    raise RuntimeError(f"no free ports on {host} between {_FIRST} and {_LAST + _BUS}")
