"""What sentinels say of a master, and what follows from it (M1). No I/O.

A sentinel names the address of the primary and the *config-epoch* of that word: the number of the failover that made
it. The word with the highest epoch is the newest. It is *proven* when a majority of all sentinels of this master says
it, dead ones counted: no two majorities can name two primaries at the same time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from ..failures import ErrorReply, NoPrimary

__all__ = ["Address", "Heard", "Replica", "Trouble", "Verdict", "heard", "judged", "nobody", "pairs", "questions"]

Address: TypeAlias = "tuple[str, int]"


class Trouble(NamedTuple):
    """Why a sentinel said nothing of use. ``why``: "silent", "login", "unknown", "other"."""

    why: str
    text: str = ""


class Replica(NamedTuple):
    """A replica, as a sentinel sees it."""

    address: Address
    healthy: bool


class Heard(NamedTuple):
    """What one sentinel said."""

    address: Address
    epoch: int
    known: int  # how many sentinels of this master it knows, itself included
    down_after: float = 30.0  # seconds after which it takes a silent primary for dead
    quorum: int = 0
    down: bool = False  # whether it takes the primary for dead
    sentinels: Mapping[str, Address] = {}  # the others, by their ids
    replicas: tuple[Replica, ...] = ()


class Verdict(NamedTuple):
    """Where the primary is, as far as the sentinels that answered say so."""

    address: Address
    epoch: int
    agree: int  # sentinels that say exactly this
    answered: int
    known: int
    began: int = 0  # when they were asked (monotonic ns)
    quorum: int = 0
    down_after: float = 30.0
    down: bool = False  # whether any sentinel takes it for dead
    replicas: tuple[Replica, ...] = ()
    settled: bool = False  # whether this word was proven once

    @property
    def proven(self) -> bool:
        """Whether a majority of all sentinels of this master says so."""
        return 2 * self.agree > self.known


def questions(master: str) -> list[tuple[str, ...]]:
    """What a sentinel is asked. The address comes from the first: in a failover it is right before that of MASTER."""
    return [
        ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", master),
        ("SENTINEL", "MASTER", master),
        ("SENTINEL", "SENTINELS", master),
        ("SENTINEL", "REPLICAS", master),
    ]


def heard(replies: Sequence[Any]) -> Heard | Trouble:
    """What the replies to ``questions`` say."""
    address, master, sentinels, replicas = replies
    if isinstance(address, ErrorReply):
        return _trouble(str(address))
    if address is None or (isinstance(master, ErrorReply) and "No such master" in str(master)):
        return Trouble("unknown")
    if isinstance(master, ErrorReply):
        return _trouble(str(master))
    try:
        facts = pairs(master)
        return Heard(
            (_text(address[0]), int(address[1])),
            int(facts["config-epoch"]),
            1 + int(facts.get("num-other-sentinels", 0)),
            int(facts.get("down-after-milliseconds", 30_000)) / 1000,
            int(facts.get("quorum", 0)),
            "down" in facts.get("flags", ""),
            {each["runid"]: (each["ip"], int(each["port"])) for each in _several(sentinels) if each.get("runid")},
            tuple(Replica((each["ip"], int(each["port"])), _healthy(each)) for each in _several(replicas)),
        )
    except (KeyError, ValueError, TypeError, IndexError):
        return Trouble("other", "its answer is not that of a sentinel")


def _trouble(text: str) -> Trouble:
    if text.startswith(("NOAUTH", "WRONGPASS", "NOPERM")):
        return Trouble("login", text.split(maxsplit=1)[0])
    if "unknown command" in text.lower():
        return Trouble("other", "it is a server and no sentinel, whose port is usually 26379")
    return Trouble("other", "it does not answer SENTINEL GET-MASTER-ADDR-BY-NAME")


def pairs(flat: Sequence[Any] | Mapping[Any, Any]) -> dict[str, str]:
    """The fields of a reply: names and values in turn, or as RESP3 has them."""
    if isinstance(flat, Mapping):
        return {_text(name): _text(value) for name, value in flat.items()}
    return {_text(name): _text(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}


def _several(replies: object) -> list[dict[str, str]]:
    return [] if isinstance(replies, ErrorReply) or not isinstance(replies, list) else [pairs(each) for each in replies]


def _healthy(facts: Mapping[str, str]) -> bool:
    flags = facts.get("flags", "")
    return "down" not in flags and "disconnected" not in flags and facts.get("master-link-status") == "ok"


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def judged(words: Mapping[str, Heard], before: Verdict | None = None, began: int = 0) -> Verdict | None:
    """The verdict of these sentinels, by their ids; None if there is none.

    What is not proven never takes the place of a newer word that was heard before.
    """
    if not words:
        return before
    votes: dict[tuple[int, Address], int] = {}
    for each in words.values():
        votes[each.epoch, each.address] = votes.get((each.epoch, each.address), 0) + 1
    epoch, address = max(votes, key=lambda each: (each[0], votes[each], each[1] == (before and before.address)))
    known = max(len(words), *(each.known for each in words.values()))
    if before is None or (before.settled and epoch <= before.epoch):
        for (other, place), agree in votes.items():  # a majority for an older one: sentinels were told to begin anew
            if 2 * agree > known:
                epoch, address = other, place
    # Else a failover has just happened, and few have heard of it.
    witness = next(each for each in words.values() if (each.epoch, each.address) == (epoch, address))
    found = Verdict(
        address, epoch, votes[epoch, address], len(words), known, began, witness.quorum, witness.down_after,
        any(each.down for each in words.values()), witness.replicas,
    )  # fmt: skip
    if not found.proven and before is not None and before.epoch > found.epoch:
        return before._replace(agree=0, answered=len(words), known=known, began=began)
    same = before is not None and before.settled and (before.epoch, before.address) == (epoch, address)
    return found._replace(settled=found.proven or same)


def nobody(troubles: Mapping[Address, Trouble], master: str) -> NoPrimary:
    """The error where no sentinel says where the primary is: why, and what to do."""
    whys = {each.why for each in troubles.values()}
    if "unknown" in whys:
        return NoPrimary(f"the sentinels know no master {master!r}: the path of the DSN names it", passes=False)
    if "login" in whys:
        text = "a sentinel refused the login: put the right sentinel_user= and sentinel_password= into the DSN"
        return NoPrimary(text, passes=False)
    one = next(((place, each) for place, each in troubles.items() if each.why == "other" or each.text), None)
    why = "" if one is None else f" ({one[0][0]}:{one[0][1]}: {one[1].text})"
    return NoPrimary(f"no sentinel answers{why}", passes="other" not in whys)
