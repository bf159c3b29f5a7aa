"""``Topology``: where the primary is now, and that something may have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from ...errors import CacheError
    from ...plans.effects import Command
    from ...plans.purpose import Due

__all__ = ["Topology"]


class Topology(Protocol):
    """What looks after the place of a connection's server."""

    replicas: Any  # the ``Replicas``, or None
    follows: bool  # whether the primary may become another server while the connection stays
    remembers: bool  # whether a primary may be followed by one that lacks what was acknowledged (M7, K13)

    @property
    def sure(self) -> bool:
        """Whether the server is known to be the primary, and well."""

    def primary(self) -> tuple[str, int] | None:
        """Where the primary is, as far as this process knows; None: as the DSN says, or nobody was asked yet."""

    def parts(self, dues: Sequence[Due], everywhere: bool, /) -> Mapping[Hashable, Sequence[Due]]:
        """By which primary these were acknowledged; ``everywhere``: name all primaries."""

    def doubt(self) -> None:
        """A connection failed, or a server refused as one does that is not the primary: look at once. Does not wait."""

    cut: bool  # whether the server was cut off from the others, and is not believed until a probe says otherwise (K14)

    def probed(self, error: CacheError | None, /) -> CacheError | None:
        """Why the server does not serve yet, by what came of the probe; None: it does."""

    def probe(self, namespace: str) -> Command:
        """What the breaker asks a server that seems away: its answer says that the server serves again (M6)."""

    def close(self) -> None:
        """The connection is closed."""
