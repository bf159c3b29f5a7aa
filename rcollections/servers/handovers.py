"""The part of a journal that knows what a primary has acknowledged and its heir may lack (rules M7 and K13)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..plans.slots import slot_of
from .recent import Recent

if TYPE_CHECKING:
    import threading
    from collections.abc import Container, Hashable, Mapping, Sequence

    from ..plans.purpose import Due, Whole

__all__ = ["Handovers"]

SOON = 5.0  # seconds after which a handover that has begun counts as over


class Handovers:
    """Not a journal of its own."""

    _lock: threading.RLock

    def __init__(self) -> None:
        self.remembers = False  # whether primaries may be followed by others

    def forget_handovers(self) -> None:
        """Begin with nothing."""
        self._recent: dict[Hashable, Recent] = {}  # by the primary that has acknowledged it; None: whichever it was
        self._opened = 0  # handovers that have begun: until each is over nobody knows who acknowledges
        self.handovers = 0  # how often another server has become a primary
        self.handed_over = 0.0  # when that was the last time (monotonic)

    def keep(self, dues: Sequence[Due]) -> None:
        """These have to be sent again."""
        raise NotImplementedError

    def keep_whole(self, whole: Whole) -> None:
        """So have all keys of one function, or of all tags."""
        raise NotImplementedError

    def done(
        self,
        dues: Sequence[Due],
        whole: Whole | None,
        since: int,
        sure: bool = True,
        parts: Mapping[Hashable, Sequence[Due]] | None = None,
    ) -> None:
        """These were acknowledged; another one may become the primary that never heard of them (M7, K13).

        ``since``: how many handovers there had been before they were sent. Where there was one meanwhile, nobody knows
        which of the two servers has acknowledged them. ``parts``: the same, by the primary of each.
        """
        with self._lock:
            self._remember({None: dues} if parts is None else parts, whole, sure)
            moved = self.handovers != since or self._between
        if moved:
            self.keep(dues)
            if whole is not None:
                self.keep_whole(whole)

    def _remember(self, parts: Mapping[Hashable, Sequence[Due]], whole: Whole | None, sure: bool) -> None:
        for place, dues in parts.items():
            self._recent.setdefault(place, Recent()).add(dues, whole, sure)

    def well(self, place: Hashable) -> None:
        """This primary has just shown that it is one: what is remembered may be forgotten by that time."""
        recent = self._recent.get(place)
        if recent is not None:
            recent.well()

    def again(
        self,
        down_after: float,
        slots: Container[int] | None = None,
        heirs: Mapping[Any, Any] = {},
        *,
        begins: bool = True,
    ) -> None:
        """Another server is the primary by now: what was acknowledged lately is removed there ahead of all (M7, K13).

        Of a cluster: of these slots. ``heirs``: who has taken the place of which primary. It is told before anybody is
        sent to the new primary, ``begins``, and once more behind that: in between a trip may carry names to either, so
        that none is taken out.
        """
        with self._lock:
            self._opened = max(0, self._opened + (1 if begins else -1))
            self.handovers += 1
            self.handed_over = time.monotonic()
            names, wholes = self._lately(down_after, slots, heirs)
            self._inherit(heirs)
        self.keep(names)
        for whole in wholes:
            self.keep_whole(whole)

    @property
    def _between(self) -> bool:
        """Whether a handover has begun and is not over; soon it counts as over in any case."""
        return self._opened > 0 and time.monotonic() - self.handed_over < SOON

    def _lately(
        self, down_after: float, slots: Container[int] | None, heirs: Mapping[Any, Any]
    ) -> tuple[list[Due], set[Whole]]:
        names: list[Due] = []
        wholes: set[Whole] = set()
        for place, recent in self._recent.items():
            some, several = recent.take(down_after)
            names += some if slots is None else [each for each in some if slot_of(each.key) in slots]
            if slots is None or place in heirs:
                wholes.update(several)
        return names, wholes

    def _inherit(self, heirs: Mapping[Any, Any]) -> None:
        for old, new in heirs.items() if self._recent else ():
            before = self._recent.pop(old, None)
            if before is not None:
                self._recent.setdefault(new, Recent()).inherit(before)
