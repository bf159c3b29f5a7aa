"""For your tests: an empty server for each test, real servers that may be killed, and a bad network before them.

``fresh`` is a pytest fixture, ``isolated()`` the same as a context manager; both need ``rcollections[memory]``.
``Server`` starts a real Valkey or Redis, ``Cluster`` and ``SentinelTrio`` start several that belong together.
``Proxy`` stands before a server and breaks the network as a test tells it. ``Process`` is another Python process
beside the test.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .clusters import Cluster
    from .fixture import fresh
    from .isolation import isolated
    from .kinds import available_kinds
    from .processes import Process
    from .proxies import Proxy
    from .sentinels import SentinelTrio
    from .servers import Server
    from .waiting import wait_until

__all__ = [
    "Cluster",
    "Process",
    "Proxy",
    "SentinelTrio",
    "Server",
    "available_kinds",
    "fresh",
    "isolated",
    "wait_until",
]

# The file of each name: it is imported when a test asks for the name, so that a test pays only for what it uses.
_WHERE = {
    "Cluster": "clusters",
    "Process": "processes",
    "Proxy": "proxies",
    "SentinelTrio": "sentinels",
    "Server": "servers",
    "available_kinds": "kinds",
    "fresh": "fixture",
    "isolated": "isolation",
    "wait_until": "waiting",
}


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f".{_WHERE[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
