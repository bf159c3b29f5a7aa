"""Counts the connections of one test to a server that it shares with others: those that have its name.

Threads of the library that look after the leases of earlier calls have connections to the same server for a while.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rcollections.testing import Server

__all__ = ["NAME", "named", "named_on"]

NAME = "client_name=counted"  # for the DSN


def named(bare: Any) -> int:
    """How many connections have the name; ``bare`` is a client of redis-py."""
    return sum(f"client_name={each['name']}" == NAME for each in bare.client_list())


def named_on(server: Server) -> int:
    """The same, asked over a connection that is closed again."""
    with server.client() as bare:
        return named(bare)
