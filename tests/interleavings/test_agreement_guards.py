"""The model answers like real servers to the scripts of tagged sets, as the real plans expand them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from rcollections.plans.effects import Command, Script
from rcollections.plans.expanded import expand
from rcollections.plans.guards import Guarded
from tests.interleavings.model import Model
from tests.interleavings.test_agreement import LEFT, TAG_MS, TAGS, alike, bump, some

SET, GUARD, LEASE = "s", "rc:g:{s}", "rc:l:{s}"
KEYS = (GUARD, LEASE, *TAGS)
STEPS = 120


def handle(rng: random.Random, model: Model) -> Guarded:
    """A handle with some tags, that loads itself or not, sometimes with a mark that it has seen."""
    tags = TAGS[: rng.randrange(3)]
    seen = (model.get(GUARD.encode()) or some(rng))[: 8 * len(tags) + 8] if rng.randrange(2) else b""
    loads = rng.choice((None, None, list))
    return Guarded.make(SET, GUARD, tags, rng.choice(TAG_MS), rng.choice((0, *LEFT)), loads, seen)


def steps(rng: random.Random, model: Model) -> tuple[Any, ...]:
    """A random step of those that plans of sets send, in its guarded form, or something that befalls them."""
    tags = TAGS[: rng.randrange(3)]
    news = tuple(some(rng) for _ in tags)
    members = tuple(b"m%d" % rng.randrange(3) for _ in range(rng.randrange(3)))
    ttl, mode, tag_ms = rng.choice((0, *LEFT)), rng.choice(("last", "first")), rng.choice(TAG_MS)
    mine = handle(rng, model)
    one = rng.choice(
        (
            Script("set_add", (mine,), (ttl, mode, *members)),
            Script("set_add", (mine,), (ttl, mode, *members)),
            Script("set_replace", (mine,), (ttl, *members)),
            Script("set_replace", (mine,), (ttl, *members)),
            Script("set_read", (mine,), (100,)),
            Script("set_add", (SET,), (ttl, mode, *members)),
            Script("guard_open", (SET, GUARD, LEASE, *tags), (rng.choice(("open", "value", "load")), "", some(rng),
                                                             70_000, tag_ms, some(rng), *news)),
            bump(rng),
            Command(("MGET", *KEYS)),
            Command(("UNLINK", rng.choice((SET, *KEYS)))),
            Script("key_clear", (SET, GUARD, LEASE, *tags), ()),
            Command(("PEXPIRE", rng.choice((SET, *KEYS)), rng.choice(LEFT))),
            Command(("PERSIST", SET)),
        )
    )  # fmt: skip
    form = expand(one, waits=bool(rng.randrange(4)))
    return (one,) if form is None else form.steps


def ordered(reply: Any) -> Any:
    """Members in one order."""
    return [reply[0], sorted(reply[1])] if isinstance(reply, list) and reply and reply[0] == b"all" else reply


@pytest.mark.parametrize("seed", range(16))
def test_the_model_answers_like_a_server(store: Any, seed: int) -> None:
    """The same replies, step after step, and the same guards, members and ttls afterwards."""
    rng, model = random.Random(seed), Model()
    for number in range(STEPS):
        for one in steps(rng, model):
            expected = model.run(one)
            real = store.one(one)
            assert alike(ordered(real), expected), f"step {number}, {one}: server {real}, model {expected}"
    for key in KEYS:
        assert store.raw("GET", key) == model.get(key.encode())
    assert sorted(store.raw("SMEMBERS", SET)) == model.smembers(SET.encode())
    for key in (SET, *KEYS):
        assert alike(store.raw("PTTL", key), model.pttl(key.encode()))
