"""Whether a call may go to the server: no, while the circuit breaker is open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .effects import Plan, Sleep

if TYPE_CHECKING:
    from ..errors import CacheError

__all__ = ["admission", "admitted"]


class Gate(Protocol):
    """The circuit breaker."""

    def allows(self) -> bool: ...
    def undecided(self) -> float: ...
    def error(self) -> CacheError: ...


def admitted(gate: Gate) -> Plan[bool]:
    """Whether the call may go on, after a short wait where a probe is about to tell."""
    while pause := gate.undecided():
        yield Sleep(pause)
    return gate.allows()


def admission(gate: Gate) -> Plan[None]:
    """Go on, or raise the failure for which the breaker is open."""
    if not (yield from admitted(gate)):
        raise gate.error()
