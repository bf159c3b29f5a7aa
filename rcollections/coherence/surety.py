"""Whether the server that an ear hears is the primary still: sentinels say so, in each period of the proof (M1, Q7).

An old primary that is alive after a failover answers PINGs and takes writes for ten seconds more. Only the sentinels
know better. So an instant counts as proven where a majority of them, asked after that instant, names this server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..wire.dsn.dsn import Dsn
    from ..wire.sentinels.watch import Watch

__all__ = ["Surety"]


class Surety:
    """For one ear. Without sentinels everything is sure."""

    def __init__(self, dsn: Dsn) -> None:
        self._watch: Watch | None = None
        if dsn.kind == "sentinel":
            from ..wire.sentinels.watches import watch_of  # only where there are sentinels

            self._watch = watch_of(dsn)

    @property
    def asks(self) -> bool:
        """Whether somebody has to be asked."""
        return self._watch is not None

    def tick(self) -> None:
        """A period of the proof begins: have the sentinels asked."""
        if self._watch is not None:
            self._watch.use()
            self._watch.doubt()

    def proves(self, address: tuple[str, int], instant: int) -> bool:
        """Whether that server was the primary after this instant (monotonic ns). ConnectionError: it is one no more."""
        if self._watch is None:
            return True
        verdict = self._watch.asked_since(instant)
        if verdict is None:
            return False
        if verdict.address != address:
            raise ConnectionError("the sentinels name another server")
        return verdict.proven

    @property
    def why(self) -> str:
        """Why nothing is proven, in words; "" where that is not for the sentinels."""
        watch = self._watch
        if watch is None or watch.verdict is None or (watch.verdict.proven and watch.answered):
            return ""
        agree, known = (watch.verdict.agree, watch.verdict.known) if watch.answered else (0, watch.verdict.known)
        return f"{agree} of {known} sentinels say where the primary is, and that is no majority"
