"""Which ear the tiers go by, while a wider one is opened and connections break: stepped by hand, without threads."""

from __future__ import annotations

from typing import Any

import pytest

from rcollections.coherence import listener as module
from rcollections.coherence.attendant import Attendant
from rcollections.l1 import ABSENT, Tier
from rcollections.wire.dsn.dsn import Dsn

NOW = 10**9


class FakeEar:
    """An ear that hears what the test says."""

    def __init__(self, _dsn: Any, prefixes: tuple[str, ...], hearer: Any, places: Any) -> None:
        self.prefixes, self.hearer, self.places = prefixes, hearer, places
        self.server, self.version = b"the server", (7, 0, False)
        self.since = 0
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True

    def opened(self, at: int) -> FakeEar:
        self.since = at * NOW
        return self

    def proves(self, at: int) -> None:
        self.hearer.proved(self, (at * NOW, at * NOW))


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A listener with a narrow ear, by which a value is held, and a wider one that is being opened."""
    monkeypatch.setattr(module, "Ear", FakeEar)
    monkeypatch.setattr(Attendant, "attend", lambda *_: None)  # nothing runs
    heard = module.Listener(Dsn(host="nowhere"))
    tier = Tier(10, staleness=1000.0, clock=lambda: 10.0, wall=lambda: 10.0)
    heard.add(tier, 1000.0)
    heard.want(["a"])
    heard.start()
    narrow: Any = heard._next
    heard.confirmed(narrow.opened(0))
    narrow.proves(1)
    assert tier.keep(tier.token("a1"), 2, (1,), "old")
    heard.want(["b"])
    heard.start()
    wide: Any = heard._next
    assert wide.prefixes == ("a", "b")
    return heard, tier, narrow, wide


def test_the_wider_ear_waits_for_what_the_narrow_one_has_not_read(heard: Any) -> None:
    """What changed before the wider one listened is told to the narrow one only: it goes when it has read that."""
    listener, tier, narrow, wide = heard
    listener.confirmed(wide.opened(3))
    wide.proves(4)
    assert listener.ear is narrow
    assert not narrow.stopped
    assert listener.prefixes == ("a",)
    listener.changed(narrow, [b"a1"])  # read late: it was on its way since before
    narrow.proves(3)
    wide.proves(5)
    assert listener.ear is wide
    assert narrow.stopped
    assert listener.prefixes == ("a", "b")
    assert tier.held(2, (1,), ABSENT) is ABSENT


def test_nothing_that_is_held_has_to_go(heard: Any) -> None:
    listener, tier, narrow, wide = heard
    listener.confirmed(wide.opened(3))
    narrow.proves(4)
    wide.proves(5)
    assert listener.ear is wide
    assert tier.held(2, (1,)) == "old"


def test_another_server_empties_at_once(heard: Any) -> None:
    listener, tier, narrow, wide = heard
    wide.server = b"another"
    listener.confirmed(wide.opened(3))
    assert listener.ear is wide
    assert narrow.stopped
    assert tier.held(2, (1,), ABSENT) is ABSENT


def test_a_narrow_ear_never_takes_the_place_of_a_wide_one(heard: Any) -> None:
    """It broke while the wider one was opened: it does not come back, or what only the wider one hears were stale."""
    listener, tier, narrow, wide = heard
    listener._lost(narrow, "down", "it broke")
    assert narrow.stopped
    assert not tier.live
    listener.confirmed(wide.opened(3))
    wide.proves(4)
    assert tier.keep(tier.token("b1"), 2, (2,), "b")
    listener.confirmed(narrow.opened(5))
    narrow.proves(6)
    assert listener.ear is wide
    assert listener.prefixes == ("a", "b")
    assert tier.held(2, (2,)) == "b"
