"""One server, at the address of the DSN."""

from __future__ import annotations

from typing import Any

from ...plans.effects import Command

__all__ = ["Single"]


class Single:
    """The place of a server that nobody moves."""

    follows = False
    sure = True
    replicas = None

    def __init__(self, connection: Any) -> None:
        del connection

    def primary(self) -> tuple[str, int] | None:
        """None: where the DSN says."""
        return None

    def doubt(self) -> None:
        """There is nobody to ask."""

    def probe(self, namespace: str) -> Command:
        """PING."""
        del namespace
        return Command(("PING",))

    def close(self) -> None:
        """Nothing to do."""
