"""The plan of one trip, stepped by hand: what it sends again, what never, and what the caller is told."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from rcollections import CacheConnectionError, CacheError, CacheTimeout, deadline
from rcollections.plans.effects import Command, Script
from rcollections.plans.purpose import Due
from rcollections.servers.journal import Journal
from rcollections.wire.asked import Asked
from rcollections.wire.failures import Broken, ErrorReply, Late, NotConnected
from rcollections.wire.requests import Tried
from rcollections.wire.trips import RETRIES, Acquire, Exchange, Heal, Pause, trip

READ = Command(("GET", "k"))
WRITE = Command(("INCR", "k"))
READING_SCRIPT = Script("hash_read", ("d",), (10, "HGETALL"))
WRITING_SCRIPT = Script("hash_set", ("h",), (0, "last", "f", "v"))
CUT = Broken("Connection closed by server.")
AWAY = NotConnected("lost", ConnectionRefusedError("Connection refused"))


class FakeLink:
    """Notes what becomes of it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.server: bytes | None = None
        self.end = ""

    def release(self) -> None:
        self.end = "released"

    def discard(self) -> None:
        self.end = "discarded"


class Walk:
    """Steps a trip: ``play(...)`` gives it these outcomes, one for each link or exchange that it asks for."""

    def __init__(self, *steps: Any, atomic: bool = False, asked: Any = None, timeout: float = 60.0) -> None:
        self.wrote: list[Any] = []
        self.told: list[str] = []  # what the connection was told: "doubt", or whom a failure was about
        self.road = SimpleNamespace(
            shown="redis://there", timeout=timeout, known=set(), trips=0, wrote=lambda steps: self.wrote.extend(steps),
            doubt=lambda: self.told.append("doubt"), failed=lambda error: self.told.append(error._about), out=False,
            disagrees=lambda link: link.server == b"old", demoted=lambda: self.effects.append("demoted"),
            follows=False, durable=0,
        )  # fmt: skip
        self.road.journal = Journal("redis://there")
        self.plan = trip(self.road, steps, atomic, asked)
        self.links: list[FakeLink] = []
        self.effects: list[str] = []
        self.sent: list[bytes] = []

    def play(self, *outcomes: Any) -> Any:
        left = list(outcomes)
        effect: Any = next(self.plan)
        try:
            while True:
                self.effects.append(type(effect).__name__)
                outcome: Any = None
                if type(effect) is Acquire:
                    outcome = left.pop(0) if left and isinstance(left[0], (NotConnected, CacheError)) else None
                    if outcome is None:
                        outcome = FakeLink(len(self.links))
                        self.links.append(outcome)
                elif type(effect) is Exchange:
                    self.sent.append(effect.data)
                    outcome = left.pop(0)
                else:
                    assert type(effect) in (Pause, Heal)
                effect = self.plan.throw(outcome) if isinstance(outcome, BaseException) else self.plan.send(outcome)
        except StopIteration as end:
            assert not left, left
            return end.value


def test_the_usual_case_is_one_exchange() -> None:
    """A link, one exchange, and the link goes back."""
    walk = Walk(READ)
    assert walk.play([b"v"]) == [b"v"]
    assert walk.effects == ["Acquire", "Exchange"]
    assert [link.end for link in walk.links] == ["released"]


@pytest.mark.parametrize("step", [READ, READING_SCRIPT])
@pytest.mark.parametrize("lost", [CUT, ConnectionResetError("reset")])
def test_what_reads_is_sent_again_on_another_link(step: Any, lost: Exception) -> None:
    """Reading twice harms nobody."""
    walk = Walk(step)
    assert walk.play(lost, [b"v"]) == [b"v"]
    assert [link.end for link in walk.links] == ["discarded", "released"]
    assert walk.effects == ["Acquire", "Exchange", "Pause", "Acquire", "Exchange"]
    assert walk.told == ["doubt"], "the idle ones are not trusted, and the server is not away"


@pytest.mark.parametrize("steps", [(WRITE,), (WRITING_SCRIPT,), (READ, WRITE)])
def test_a_write_whose_reply_was_cut_raises(steps: Any) -> None:
    """Nobody can know whether it took effect."""
    walk = Walk(*steps)
    with pytest.raises(CacheConnectionError) as caught:
        walk.play(CUT)
    assert caught.value.__cause__ is CUT
    assert walk.told == ["doubt"]
    assert caught.value._about == "call", "the next connection may do"
    assert [link.end for link in walk.links] == ["discarded"]
    assert walk.wrote == list(steps), "it may have been carried out"


def test_a_transaction_is_never_sent_twice() -> None:
    """Not even one that only reads: MULTI's replies say nothing about a lost EXEC."""
    walk = Walk(READ, READ, atomic=True)
    with pytest.raises(CacheConnectionError):
        walk.play(CUT)


@pytest.mark.parametrize("steps", [(WRITE,), (WRITING_SCRIPT, WRITE)])
@pytest.mark.parametrize("atomic", [False, True])
def test_what_could_not_even_connect_is_tried_again(steps: Any, atomic: bool) -> None:
    """Nothing was sent, so a write too; between two tries an embedded server is started again."""
    walk = Walk(*steps, atomic=atomic)
    replies = [b"OK", *[b"QUEUED" for _ in steps], [1 for _ in steps]] if atomic else [1 for _ in steps]
    assert walk.play(AWAY, AWAY, replies) == [1 for _ in steps]
    assert walk.effects == ["Acquire", "Heal", "Pause", "Acquire", "Heal", "Pause", "Acquire", "Exchange"]


def test_it_gives_up_after_some_tries() -> None:
    """The last failure is what the caller gets, with its cause."""
    walk = Walk(READ)
    with pytest.raises(CacheConnectionError, match="is the server running") as caught:
        walk.play(*[AWAY] * (RETRIES + 1))
    assert caught.value.__cause__ is AWAY.error


@pytest.mark.parametrize(
    ("why", "text", "said"),
    [
        ("login", "WRONGPASS invalid username-password pair", "refused the login"),
        ("answer", "ERR DB index is out of range", "has no database of this number"),
        ("answer", "NOPERM this user has no permissions", "may not do this"),
    ],
)
def test_a_refused_handshake_is_told_at_once(why: Any, text: str, said: str) -> None:
    """Trying again would be refused again."""
    walk = Walk(READ)
    with pytest.raises(CacheError, match=said):
        walk.play(NotConnected(why, RuntimeError(text)))
    assert walk.effects == ["Acquire"]


def test_a_timeout_is_told_at_once() -> None:
    """The time is up: another try would only be later."""
    walk = Walk(READ)
    with pytest.raises(CacheTimeout):
        walk.play(TimeoutError("timed out"))
    assert [link.end for link in walk.links] == ["discarded"]


@pytest.mark.parametrize(
    ("late", "about"), [(Late(silent=True), "link"), (Late(silent=False), "call"), (Late(silent=False, size=9), "call")]
)
def test_only_silence_is_told_to_the_breaker(late: Late, about: str) -> None:
    """A link that had been open before may have died alone; a reply that is arriving is no failure of the server."""
    walk = Walk(READ)
    with pytest.raises(CacheTimeout) as caught:
        walk.play(late)
    assert caught.value._about == about
    assert walk.told == (["doubt", "link"] if about == "link" else [])


def test_a_server_that_cannot_be_reached_is_told_to_the_breaker() -> None:
    """After all tries; and whoever breaks each new connection is no better."""
    for failure, told in ((AWAY, []), (CUT, ["doubt"] * (RETRIES + 1))):
        walk = Walk(READ)
        with pytest.raises(CacheConnectionError):
            walk.play(*[failure] * (RETRIES + 1))
        assert walk.told == [*told, "server"]


def test_a_deadline_that_is_near_leaves_no_time_for_another_try() -> None:
    """A pause that would end behind it is not begun."""
    with deadline(0.001):
        walk = Walk(READ)
        with pytest.raises(CacheConnectionError):
            walk.play(CUT)


def test_a_script_that_the_server_forgot_gets_its_text_on_the_same_link() -> None:
    """So the same server answers, and nothing else is sent in between."""
    walk = Walk(READ, WRITING_SCRIPT)
    walk.road.known.add("hash_set")
    found = walk.play([b"v", ErrorReply("NOSCRIPT No matching script.")], [[b"ok", 1]])
    assert found == [b"v", [b"ok", 1]]
    assert walk.effects == ["Acquire", "Exchange", "Exchange"]
    assert b"EVALSHA" in walk.sent[0]
    assert b"EVAL\r\n" in walk.sent[1]
    assert len(walk.links) == 1
    assert walk.road.trips == 2


def test_a_value_is_labelled_with_the_server_that_gave_it() -> None:
    """Also where the text of the script had to be sent: a run_id belongs to one link."""
    asked = Asked("d")
    walk = Walk(READING_SCRIPT, asked=asked)
    walk.road.known.add("hash_read")
    info = b"# Server\r\nrun_id:abc\r\n"
    assert walk.play([info, 500, ErrorReply("NOSCRIPT No matching script.")], [[b"all", []]]) == [[b"all", []]]
    assert (asked.server, asked.ms) == (b"abc", 500)
    assert walk.links[0].server == b"abc"
    assert not walk.wrote, "it only reads"


def test_a_second_exchange_that_fails_is_told_in_our_words() -> None:
    """The text of the script was on its way when the connection broke."""
    walk = Walk(WRITING_SCRIPT)
    walk.road.known.add("hash_set")
    with pytest.raises(CacheConnectionError):
        walk.play([ErrorReply("NOSCRIPT No matching script.")], CUT)
    assert [link.end for link in walk.links] == ["discarded"]


def test_a_server_that_is_loading_is_waited_for() -> None:
    """It has executed nothing; several steps only if all of them read, since some may have been executed by then."""
    loading = ErrorReply("LOADING Redis is loading the dataset in memory")
    walk = Walk(WRITE)
    assert walk.play([loading], [loading], [7]) == [7]
    walk = Walk(READ, WRITE)
    assert walk.play([loading, 5]) == [loading, 5]


def test_a_busy_pool_is_told_as_it_is() -> None:
    """No link came back in time; nothing was sent."""
    walk = Walk(READ)
    busy = CacheTimeout("all 1 connections are busy")
    with pytest.raises(CacheTimeout) as caught:
        walk.play(busy)
    assert caught.value is busy


@pytest.mark.parametrize("moment", [0, 1])
def test_whoever_is_interrupted_leaves_no_link(moment: int) -> None:
    """While waiting for a link, or for the reply: the link is closed, and the tiers are told of the write."""
    walk = Walk(WRITE)
    next(walk.plan)
    link = FakeLink(0)
    if moment:
        walk.plan.send(link)
    with pytest.raises(KeyboardInterrupt):
        walk.plan.throw(KeyboardInterrupt())
    assert link.end == ("discarded" if moment else "")
    assert walk.wrote == [WRITE]


def test_a_transaction_that_was_refused_tells_the_step() -> None:
    """What was refused when it was queued aborts the others; the caller gets that error for each."""
    refused = ErrorReply("ERR wrong number of arguments for 'get' command")
    walk = Walk(WRITE, Command(("GET",)), atomic=True)
    assert walk.play([b"OK", b"QUEUED", refused, ErrorReply("EXECABORT Transaction discarded")]) == [refused, refused]


# -- what is kept goes first (J1) ----------------------------------------------------------------------


def owing(*steps: Any) -> Walk:
    """A trip of a process that has kept an invalidation."""
    walk = Walk(*steps)
    walk.road.journal.keep([Due("f", "rc:l:{f}", "rc:w:f")])
    return walk


def test_what_is_kept_goes_ahead_in_an_exchange_of_its_own() -> None:
    """The reply is awaited: else a read behind it could be a hit on what it could not remove."""
    walk = owing(READ)
    assert walk.play([2, 0], [None]) == [None]
    assert walk.effects == ["Acquire", "Exchange", "Exchange"]
    assert b"UNLINK\r\n$1\r\nf\r\n$8\r\nrc:l:{f}" in walk.sent[0]
    assert b"PUBLISH" in walk.sent[0]
    assert not walk.road.journal.holds


def test_a_link_that_breaks_while_it_carries_what_is_kept() -> None:
    """The steps were not sent, so a write is tried again too; what was kept is kept still, and goes first again."""
    walk = owing(WRITE)
    assert walk.play(CUT, [1, 0], [1]) == [1]
    assert walk.effects == ["Acquire", "Exchange", "Pause", "Acquire", "Exchange", "Exchange"]
    assert [link.end for link in walk.links] == ["discarded", "released"]


@pytest.mark.parametrize("word", ["READONLY You can't write against a read only replica.", "MISCONF no", "BUSY now"])
def test_a_server_that_does_not_remove_is_not_read(word: str) -> None:
    """The call raises; the next link may lead to a server that does."""
    walk = owing(READ)
    with pytest.raises(CacheError):
        walk.play([ErrorReply(word), 0])
    assert [link.end for link in walk.links] == ["discarded"]
    assert walk.road.journal.holds


def test_a_server_that_loads_its_data_is_waited_for_with_what_is_kept() -> None:
    """It has executed nothing."""
    walk = owing(READ)
    loading = ErrorReply("LOADING Redis is loading the dataset in memory")
    assert walk.play([loading, loading], [1, 0], [b"v"]) == [b"v"]


def test_whoever_is_interrupted_while_it_carries_what_is_kept() -> None:
    """It counts as not sent, and no other trip waits for it."""
    walk = owing(READ)
    next(walk.plan)
    walk.plan.send(FakeLink(0))
    with pytest.raises(KeyboardInterrupt):
        walk.plan.throw(KeyboardInterrupt())
    assert walk.road.journal.holds
    assert not walk.road.journal.waits(frozenset(["f"]))


# -- behind a quick try --------------------------------------------------------------------------------


def tried(outcome: Any, *steps: Any) -> Walk:
    """A trip whose steps were sent over an idle link, and this was seen."""
    walk = Walk(*steps)
    link = FakeLink(0)
    walk.links.append(link)
    walk.plan = trip(walk.road, steps, tried=Tried(link, time.monotonic() + 60, outcome))  # type: ignore[arg-type]
    return walk


def test_a_read_whose_idle_link_was_dead_is_sent_again_at_once() -> None:
    """Without a pause: the server is as well as before. A write raises."""
    walk = tried(CUT, READ)
    assert walk.play([b"v"]) == [b"v"]
    assert walk.effects == ["Acquire", "Exchange"]
    assert [link.end for link in walk.links] == ["discarded", "released"]
    walk = tried(CUT, WRITE)
    with pytest.raises(CacheConnectionError):
        next(walk.plan)
    assert [link.end for link in walk.links] == ["discarded"]
    assert walk.wrote == [WRITE]


def test_a_quick_try_that_met_a_server_that_loads() -> None:
    """The plan judges the replies as its own."""
    walk = tried([ErrorReply("LOADING Redis is loading the dataset in memory")], WRITE)
    assert walk.play([7]) == [7]
    assert walk.effects == ["Pause", "Acquire", "Exchange"]
    assert [link.end for link in walk.links] == ["released", "released"]
