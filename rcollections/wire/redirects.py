"""What a node of a cluster means when it refuses a step: nothing of it ran, so it is sent again (rule K7)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from .failures import ErrorReply

if TYPE_CHECKING:
    from .slotmap import Address

__all__ = ["ASK", "MOVED", "NOSCRIPT", "WAIT", "Refusal", "refusal"]

MOVED, ASK, NOSCRIPT, TRYAGAIN, WAIT = "MOVED", "ASK", "NOSCRIPT", "TRYAGAIN", "WAIT"

_ELSEWHERE = re.compile(r"(MOVED|ASK) (\d+) (.*):(\d+)")
# A node that is no primary any more, or has not read its data yet, or knows that the cluster is down.
_LATER = ("CLUSTERDOWN", "READONLY", "LOADING", "MASTERDOWN")


class Refusal(NamedTuple):
    """Why a step was not carried out. ``place``: where it should go, of MOVED and ASK, "" for the host that said so."""

    word: str
    slot: int = -1
    place: Address | None = None


def refusal(reply: object) -> Refusal | None:
    """The refusal that this reply is; None for a reply of any other kind, errors from inside a script among them."""
    if type(reply) is not ErrorReply:
        return None
    text = str(reply)
    word = text.partition(" ")[0]
    if word in ("MOVED", "ASK"):
        found = _ELSEWHERE.fullmatch(text)
        return None if found is None else Refusal(word, int(found[2]), (found[3], int(found[4])))
    if word in ("TRYAGAIN", "NOSCRIPT"):
        return Refusal(word)
    if word in _LATER and " script: " not in text:
        return Refusal(WAIT)
    return None
