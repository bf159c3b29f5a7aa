"""``Form``: what is sent in the place of one step whose keys lie in several slots, each step of it for one slot.

A form may need facts from other slots first: stamps of tags, or the content of operands. Then it says which, and gets
them before it tells its steps. A reply may say that the facts are too old (``Stale``): then they are fetched again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from ..effects import Step

__all__ = [
    "Copied", "Facts", "Form", "Plain", "Round", "Rounds", "Space", "Split", "Stale", "Unlooking", "Wanted", "Wide",
]  # fmt: skip


class Wanted(NamedTuple):
    """The stamp of a tag: it is made where it is missing, with ``new``; None: it is only read."""

    new: bytes | None
    ms: int = 0


class Wide(NamedTuple):
    """A key of another slot with more content than one reply shall carry: its type, and how much it is."""

    kind: str
    members: int
    bytes: int  # 0: not known


class Copied(NamedTuple):
    """The copy of a wide key in the slot of a step: how its members are counted, and how many it has at least."""

    name: str
    counted: str
    members: int


class Facts(NamedTuple):
    """What was fetched from other slots, by key. An error stands in the place of a fact that could not be fetched.

    ``brought``: the content as DUMP gives it, None of a missing key, or ``Wide``, or what that became, ``Copied``.
    ``lives``: how long a copy of it lives, in ms: by its ttl an entry is fresh or stale, and so is its copy.
    """

    stamps: Mapping[str, Any]
    brought: Mapping[str, Any]
    lives: Mapping[str, int] = {}

    def error(self, keys: Sequence[str]) -> Exception | None:
        """The first error among the facts about these keys."""
        for key in keys:
            found = self.stamps.get(key, self.brought.get(key))
            if isinstance(found, Exception):
                return found
        return None


class Round(NamedTuple):
    """Send all steps, ``atomic`` those of each slot in one MULTI, and give their replies, errors among them.

    ``place``: the node for steps without keys. ``witness``: who answered, by slot, is noted there.
    """

    steps: Sequence[Step]
    atomic: bool = False
    place: Any = None
    witness: dict[int, bytes] | None = None


Rounds: TypeAlias = "Generator[Round, list[Any], list[Any]]"


class Stale(NamedTuple):
    """The facts may be older than what is stored: the form has noted what it saw, and wants them fetched again."""


class Space(Protocol):
    """What forms know of a connection."""

    @property
    def namespace(self) -> str: ...


class Form(Protocol):
    """The form of one step."""

    tags: Mapping[str, Wanted]
    brings: Sequence[str]

    def looks(self) -> Sequence[Step]:
        """What shows which content may count no more: it is read before the stamps, where nothing can be done twice."""

    def looked(self, replies: Sequence[Any]) -> None:
        """This was seen."""

    def steps(self, facts: Facts) -> Sequence[Step]:
        """The steps to send, of one slot each."""

    def fold(self, replies: Sequence[Any]) -> Any:
        """The reply to the original step, an error, or ``Stale``."""


class Unlooking:
    """A form that needs no look before."""

    tags: Mapping[str, Wanted] = {}
    brings: Sequence[str] = ()

    def looks(self) -> Sequence[Step]:
        """Nothing."""
        return ()

    def looked(self, _replies: Sequence[Any]) -> None:
        """Nothing was seen."""


class Plain(Unlooking):
    """A step whose keys are in one slot anyway."""

    def __init__(self, step: Step) -> None:
        self._step = step

    def steps(self, _facts: Facts) -> Sequence[Step]:
        """The step."""
        return (self._step,)

    def fold(self, replies: Sequence[Any]) -> Any:
        """Its reply."""
        return replies[0]


Folding: TypeAlias = Any


class Split(Unlooking):
    """Several steps of one slot each; ``folding`` makes one reply of theirs."""

    def __init__(self, parts: Sequence[Step], folding: Folding) -> None:
        self._parts = parts
        self._folding = folding

    def steps(self, _facts: Facts) -> Sequence[Step]:
        """The parts."""
        return self._parts

    def fold(self, replies: Sequence[Any]) -> Any:
        """One reply, or the first error."""
        for each in replies:
            if isinstance(each, Exception):
                return each
        return self._folding(replies)
