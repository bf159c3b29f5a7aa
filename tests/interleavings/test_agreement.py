"""The model answers like real servers: the same random steps on both, every reply and all that is stored."""

from __future__ import annotations

import random
from typing import Any

import pytest

from rcollections.plans.effects import Command, Script
from rcollections.plans.entries import ERROR, VALUE, Entry, pack
from rcollections.plans.marks import ALONE, NAMED, THROWN, Mark
from rcollections.wire.signals import Signal
from tests.interleavings.model import Model

ENTRY, LEASE, TAGS, CHANNEL = "f", "rc:l:{f}", ("rc:t:a", "rc:t:b"), "rc:w:f"
LOCK, COUNTER = "rc:k:{f}", "rc:f:{f}"
KEYS = (ENTRY, LEASE, *TAGS, LOCK)
LEFT = (35_000, 65_000, 95_000)  # what tests set a ttl to: far from every limit that a script compares with
GRACES = (0, 50_000)
TAG_MS = (0, 100_000, 300_000)
STEPS = 120


def some(rng: random.Random) -> bytes:
    """A token or stamp out of few, so that equal ones meet."""
    return b"random%02d" % rng.randrange(12)


def entry(rng: random.Random, known: dict[str, bytes | None]) -> bytes:
    """An entry: bare, or with the stamps of this moment, or with others; sometimes broken."""
    kind = rng.randrange(8)
    if kind == 0:
        return b""
    if kind == 1:
        return b"bare"
    if kind == 2:
        return b"\xc0\x00too short"
    tags = TAGS[: rng.randrange(3)]
    stamps = tuple(known[tag] or b"missing!" if rng.randrange(4) else some(rng) for tag in tags)
    data = pack(Entry(b"value", rng.choice((VALUE, VALUE, ERROR)), rng.choice(GRACES), stamps))
    return data[:-12] if kind == 3 else data


def step(rng: random.Random, model: Model) -> Command | Script:
    """A random step of those that plans send, or an expiry, or an eviction."""
    known = {key: model.get(key.encode()) for key in KEYS}
    token = known[LEASE] if known[LEASE] is not None and rng.randrange(2) else some(rng)
    owner = known[LOCK] if known[LOCK] is not None and rng.randrange(2) else some(rng)
    tags = TAGS[: rng.randrange(3)]
    news = tuple(some(rng) for _ in tags)
    tag_ms, ttl, lease_ms = rng.choice(TAG_MS), rng.choice((0, *LEFT)), 70_000
    key = rng.choice(KEYS)
    window = rng.choice((0, 40_000))
    mode, early = rng.choice(("miss", "early", "force")), rng.choice((-1, 30_000))
    return rng.choice(
        (
            Script("entry_fetch", (ENTRY, LEASE, *tags), (token, lease_ms, tag_ms, mode, early, window, *news)),
            Script("entry_fetch", (ENTRY, LEASE, *tags), (token, lease_ms, tag_ms, "miss", -1, 0, *news)),
            Script("entry_store", (ENTRY, LEASE), (token, entry(rng, known), ttl, CHANNEL)),
            Script("entry_put", (ENTRY, LEASE, *tags), (head(rng, len(tags)), b"put", ttl, tag_ms, CHANNEL, *news)),
            Script("entry_begin", (ENTRY, LEASE, *tags), (token, lease_ms, tag_ms, *news)),
            Script("entry_delete", (ENTRY, LEASE), (CHANNEL,)),
            Script("entry_expire", (ENTRY, LEASE), (CHANNEL,)),
            Script("lease_free", (LEASE, *tags), (token, CHANNEL)),
            Script("lease_free", (LEASE, *tags), (token, CHANNEL, *mark(rng, token))),
            Script("lease_renew", (LEASE,), (token, 90_000)),
            Script("lock_take", (LOCK, COUNTER), (owner, lease_ms, 95_000)),
            Script("lock_free", (LOCK, COUNTER), (owner, CHANNEL, 95_000)),
            bump(rng),
            Command(("MGET", *KEYS)),
            Command(("GET", key)),
            Command(("PTTL", key)),
            Command(("EXISTS", key)),
            Command(("UNLINK", key)),
            Command(("DEL", key)),
            Command(("PEXPIRE", key, rng.choice(LEFT))),
            Command(("PERSIST", key)),
            Command(("SET", key, some(rng), "PX", rng.choice(LEFT))),
            Command(("SET", ENTRY, entry(rng, known), "PX", rng.choice(LEFT))),
        )
    )


def mark(rng: random.Random, token: bytes) -> tuple[bytes, int]:
    """What a computation leaves that has no result, and how long; its ends are far from those of ``LEFT``."""
    left = Mark(rng.choice((THROWN, NAMED, ALONE)), token, b"", b"content", rng.randrange(3), rng.choice((0, 75_000)))
    return left.pack(), left.life + 30_000 * (not left.cool)


def head(rng: random.Random, tags: int) -> bytes:
    grace = rng.choice(GRACES)
    if not tags and not grace:
        return b""
    return pack(Entry(b"", VALUE, grace, (b"12345678",) * tags))[:18]


def bump(rng: random.Random) -> Script:
    tags = rng.choice((TAGS[:1], TAGS[1:], TAGS))
    return Script("tag_bump", tags, (80_000, *(some(rng) for _ in tags)))


def alike(real: Any, modelled: Any) -> bool:
    """Equal, but for the milliseconds that real servers need."""
    if isinstance(modelled, (list, tuple)):
        return len(real) == len(modelled) and all(map(alike, real, modelled))
    if isinstance(modelled, int) and modelled > 1000:
        return isinstance(real, int) and modelled - 10_000 < real <= modelled
    return bool(real == modelled) or (modelled == b"OK" and bytes(real) == b"OK")


@pytest.mark.parametrize("seed", range(12))
def test_the_model_answers_like_a_server(store: Any, seed: int) -> None:
    """The same replies, step after step, and the same keys, values and ttls afterwards."""
    rng, model = random.Random(seed), Model()
    for number in range(STEPS):
        one = step(rng, model)
        expected = model.run(one)
        real = store.raw(*one.args) if isinstance(one, Command) else store.one(one)
        assert alike(real, expected), f"step {number}, {one}: the server says {real}, the model {expected}"
    for key in (*KEYS, COUNTER):
        assert store.raw("GET", key) == model.get(key.encode())
        assert alike(store.raw("PTTL", key), model.pttl(key.encode()))


def test_the_model_publishes_like_a_server(store: Any) -> None:
    """The scripts that end a lease for others to see tell the channel; refused ones tell nobody."""
    steps = (
        (Script("entry_delete", (ENTRY, LEASE), (CHANNEL,)), True),
        (Script("entry_expire", (ENTRY, LEASE), (CHANNEL,)), True),
        (Script("entry_put", (ENTRY, LEASE), (b"", b"v", 0, 0, CHANNEL)), True),
        (Script("entry_store", (ENTRY, LEASE), (b"nobody's", b"v", 0, CHANNEL)), False),
        (Script("lease_free", (LEASE,), (b"nobody's", CHANNEL)), False),
        (Command(("SET", LEASE, b"mine")), False),
        (Script("entry_store", (ENTRY, LEASE), (b"mine", b"v", 0, CHANNEL)), True),
        (Command(("SET", LEASE, b"mine")), False),
        (Script("lease_free", (LEASE,), (b"mine", CHANNEL)), True),
        (Script("lock_take", (LOCK, COUNTER), (b"mine", 1000, 1000)), False),
        (Script("lock_free", (LOCK, COUNTER), (b"nobody's", CHANNEL, 1000)), False),
        (Script("lock_free", (LOCK, COUNTER), (b"mine", CHANNEL, 1000)), True),
        (Script("tag_bump", TAGS[:1], (1000, b"stamp")), False),
        (Script("entry_begin", (ENTRY, LEASE), (b"mine", 1000, 0)), False),
    )
    model = Model()
    for one, told in steps:
        heard = [Signal(), Signal()]
        model.listen(CHANNEL, heard[0])
        store.wakeups.listen(CHANNEL, heard[1])
        model.run(one)
        store.one(one)
        assert heard[0].is_set() is told, one
        assert heard[1].wait(2.0 if told else 0.02) is told, one
        model.listeners.clear()
    store.wakeups.close()
