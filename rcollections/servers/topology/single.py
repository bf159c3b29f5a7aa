"""One server, at the address of the DSN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...plans.effects import Command

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from ...errors import CacheError
    from ...plans.purpose import Due

__all__ = ["Single"]


class Single:
    """The place of a server that nobody moves."""

    follows = False
    remembers = False
    sure = True
    cut = False
    replicas = None

    def __init__(self, connection: Any) -> None:
        del connection

    def primary(self) -> tuple[str, int] | None:
        """None: where the DSN says."""
        return None

    def parts(self, dues: Sequence[Due], everywhere: bool) -> Mapping[Hashable, Sequence[Due]]:
        """There is one primary."""
        del everywhere
        return {None: dues}

    def doubt(self) -> None:
        """There is nobody to ask."""

    def probed(self, error: CacheError | None) -> CacheError | None:
        """What came of the probe."""
        return error

    def probe(self, namespace: str) -> Command:
        """PING."""
        del namespace
        return Command(("PING",))

    def close(self) -> None:
        """Nothing to do."""
