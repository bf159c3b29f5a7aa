"""The steps of an ear without the GIL, of fills and of hits, in every order (Q8): a small model of what is in C.

Instants are counted in writes: an instant is the number of writes that were acknowledged before it, and the value that
the server has then is this number. So a hit under a proof must not give a smaller number than the proof's. Whatever was
read before the last proof must not be served after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

State = dict[str, Any]  # all values are immutable
Step = Callable[[State], bool]  # False: not now


class BrokenPromiseError(Exception):
    """A hit gave what the proof spoke against."""


def begin(**more: Any) -> State:
    """The server has value 0; ear "a" is in charge; nothing is held."""
    state: State = {
        "server": 0, "word": 0, "epoch": 0, "proof": None, "charge": "a", "entry": None, "a": (), "b": (),
        "a hears": True, "b hears": True,
    }  # fmt: skip
    return {**state, **more}


HELD = {"entry": (0, 0, 0), "proof": 0}  # value, epoch, word


def write(message: str = "key") -> list[Step]:
    """Somebody writes; the server puts the message into all connections, and acknowledges."""

    def step(s: State) -> bool:
        s["server"] += 1
        for ear in "ab":
            if s[f"{ear} hears"]:
                s[ear] += (message,)
        return True

    return [step]


def ear(name: str, without: str = "") -> list[Step]:
    """One period: a PING, and all that was read with its PONG (that two are needed is tested elsewhere)."""

    def ping(s: State) -> bool:
        s[name] += (s["server"],)
        return True

    def read(s: State) -> bool:
        s[f"{name} read"], s[name] = s[name], ()
        return True

    def move(s: State) -> bool:
        s["word"] += s[f"{name} read"].count("key")
        return True

    def move_epoch(s: State) -> bool:
        s["epoch"] += s[f"{name} read"].count("all")
        return True

    def instant(s: State) -> int | None:
        found = [each for each in s[f"{name} read"] if isinstance(each, int)]
        return found[-1] if found else None

    def publish(s: State) -> bool:
        at = instant(s)
        later = at is not None and (s["proof"] is None or at > s["proof"])
        if later and (s["charge"] == name or without == "charge"):
            s["proof"] = at
        return True

    order = [ping, read, move, move_epoch, publish]
    if without == "epoch before proof":
        order = [ping, read, move, publish, move_epoch]
    elif without == "words before proof":
        order = [ping, read, publish, move, move_epoch]
    return order


def fill(without: str = "", charge: str = "") -> list[Step]:
    """A reader: token, read, insertion. ``charge``: tokens are given only while this ear is in charge."""

    def token(s: State) -> bool:
        if charge and s["charge"] != charge:
            return False
        s["token"] = s["epoch"], s["word"]
        return True

    def read(s: State) -> bool:
        s["reply"] = s["server"]
        return True

    def fence(s: State) -> bool:
        s["good"] = s["token"] == (s["epoch"], s["word"])
        return True

    def insert(s: State) -> bool:
        if s["good"]:
            words = (s["epoch"], s["word"]) if without == "words of the token" else s["token"]
            s["entry"] = (s["reply"], *words)
        return True

    return [token, read, fence, insert]


def hit(without: str = "") -> list[Step]:
    """Another thread looks up; another one may fill between any two steps, as without the GIL."""

    def proof(s: State) -> bool:
        s["seen proof"] = s["proof"]
        return True

    def epoch(s: State) -> bool:
        s["seen entry"], s["seen epoch"] = s["entry"], s["epoch"]
        return True

    def word(s: State) -> bool:
        s["seen word"] = s["word"]
        return True

    def serve(s: State) -> bool:
        entry, at = s["seen entry"], s["seen proof"]
        if entry is None or at is None or (without != "compare" and entry[1:] != (s["seen epoch"], s["seen word"])):
            return True
        if entry[0] < at:
            raise BrokenPromiseError(f"{entry[0]} was served under the proof of {at}")
        return True

    return [epoch, word, proof, serve] if without == "proof first" else [proof, epoch, word, serve]


def let_go() -> list[Step]:
    """A thread of Python, some time later."""

    def drop(s: State) -> bool:
        if s["entry"] is not None and s["entry"][1:] != (s["epoch"], s["word"]):
            s["entry"] = None
        return True

    return [drop]


def take_over() -> list[Step]:
    """The wider ear is put in charge, once it has read all from before."""

    def step(s: State) -> bool:
        s["charge"] = "b"
        return True

    return [step]


def explore(start: State, *threads: Sequence[Step]) -> int:
    """Every order; how many states there were. At the end of each order all is heard and proven, and looked up."""
    seen: set[Any] = set()
    open_: list[tuple[tuple[int, ...], State]] = [((0,) * len(threads), start)]
    while open_:
        at, state = open_.pop()
        name = at, tuple(sorted(state.items(), key=lambda item: item[0]))
        if name in seen:
            continue
        seen.add(name)
        moved = False
        for n, thread in enumerate(threads):
            if at[n] < len(thread):
                after = dict(state)
                if thread[at[n]](after):
                    moved = True
                    open_.append(((*at[:n], at[n] + 1, *at[n + 1 :]), after))
        if not moved:
            finish(state)
    return len(seen)


def finish(state: State) -> None:
    last = dict(state)
    for step in (*ear("a"), *ear("b"), *hit()):
        step(last)


def scenarios(without: str = "") -> Iterator[tuple[State, list[Any]]]:
    """The smallest ones in which each guard matters."""
    e = without
    yield begin(**HELD), [write(), ear("a", e), hit(e), let_go()]
    yield begin(**HELD), [write("all"), ear("a", e), hit(e), let_go()]
    yield begin(proof=0), [fill(e), write(), ear("a", e), hit(e)]
    yield begin(proof=0), [fill(e), write("all"), ear("a", e), hit(e), let_go()]
    # The wider ear "b" hears of this key, and the old one does not.
    alone: State = {"a hears": False, "proof": 0}
    yield begin(**alone), [take_over(), ear("a", e), ear("b", e), fill(e, "b"), write(), hit(e)]
    # Both hear of it: its word moves twice, which costs a hit at most.
    yield begin(**HELD), [take_over(), ear("a", e), ear("b", e), write(), hit(e)]


def explore_all(without: str = "") -> list[int]:
    return [explore(start, *threads) for start, threads in scenarios(without)]


def test_no_order_breaks_the_promise() -> None:
    states = explore_all()
    assert min(states) > 50
    assert sum(states) > 5000


GUARDS = ["epoch before proof", "words before proof", "charge", "words of the token", "compare", "proof first"]


@pytest.mark.parametrize("guard", GUARDS)
def test_each_guard_is_needed(guard: str) -> None:
    with pytest.raises(BrokenPromiseError):
        explore_all(guard)
