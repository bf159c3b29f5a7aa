"""Two processes hold values, a third one writes with a bare client: both see it, whatever the way.

``staleness`` is a minute here: what does not come by a message would not show in time.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from rcollections.testing import Process, Server, wait_until
from tests.kinds import SERVERS
from tests.roads import road_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis

PROGRAM = """
import time
from rcollections import cached, invalidate_tags, l1_info

class Missing(Exception): pass

@cached(key=lambda name: name, l1=True)
def value(name):
    raise Missing

@cached(tags=("all",), l1=True)
def tagged(n):
    return time.monotonic_ns()

def read(name):
    try:
        return value(name)
    except Missing:
        return None

def hits(call, *args):
    '''What the call gives, and whether it was held.'''
    before = l1_info().hits
    given = call(*args)
    return [given, l1_info().hits > before]
"""

names = (f"key{n}" for n in itertools.count())


class Fleet(NamedTuple):
    """Two processes, and the writer."""

    readers: tuple[Process, Process]
    bare: redis.Redis

    def hold(self, name: str, value: object) -> None:
        """Until both have it in their hands."""
        for reader in self.readers:
            wait_until(lambda reader=reader: reader(f"hits(read, {name!r})") == [value, True], what="it is held")

    def see(self, name: str, value: object) -> None:
        """Until both give this, and give it from what they hold."""
        for reader in self.readers:
            wait_until(lambda reader=reader: reader(f"read({name!r})") == value, 5, "the change shows")
        if value is not None:
            self.hold(name, value)


# Every server over its socket, and one of them on the other roads, where the listener hears in another way (TLS).
PLACES = [(kind, "unix") for kind in SERVERS] + [(kind, road) for kind in SERVERS[:1] for road in ("tcp", "tls")]


@pytest.fixture(scope="module", params=PLACES, ids="-".join)
def fleet(request: pytest.FixtureRequest) -> Iterator[Fleet]:
    kind, road = request.param
    with Server(kind) as server, road_to(server, road) as (_, dsn):
        dsn += "staleness=60"
        with Process(PROGRAM, dsn) as one, Process(PROGRAM, dsn) as two:
            yield Fleet((one, two), server.client())


def evict(bare: redis.Redis, name: str) -> None:
    bare.config_set("maxmemory-policy", "allkeys-random")
    bare.config_set("maxmemory", 1)
    wait_until(lambda: not bare.exists(name), what="it is evicted")
    bare.config_set("maxmemory", 0)


def restore(bare: redis.Redis, name: str) -> None:
    bare.set("other", 2)
    bare.restore(name, 0, bare.dump("other"), replace=True)


def rename_to(bare: redis.Redis, name: str) -> None:
    bare.set("other", 2)
    bare.rename("other", name)


def copy(bare: redis.Redis, name: str) -> None:
    bare.set("other", 2)
    bare.copy("other", name, replace=True)


def expire(bare: redis.Redis, name: str) -> None:
    bare.pexpire(name, 50)
    wait_until(lambda: not bare.exists(name), what="it expires")


CHANGES: dict[str, tuple[Callable[[redis.Redis, str], Any], int | None]] = {
    "SET": (lambda bare, name: bare.set(name, 2), 2),
    "INCR": (lambda bare, name: bare.incr(name), 2),
    "GETSET": (lambda bare, name: bare.getset(name, 2), 2),
    "MSET": (lambda bare, name: bare.mset({"other": 1, name: 2}), 2),
    "MULTI": (lambda bare, name: bare.pipeline().set(name, 5).set(name, 2).execute(), 2),
    "EVAL": (lambda bare, name: bare.eval("return redis.call('SET', KEYS[1], 2)", 1, name), 2),
    "DEL": (lambda bare, name: bare.delete(name), None),
    "UNLINK": (lambda bare, name: bare.unlink(name), None),
    "GETDEL": (lambda bare, name: bare.getdel(name), None),
    "PEXPIRE": (expire, None),
    "SET PX": (lambda bare, name: bare.set(name, 2, px=60_000), 2),
    "eviction": (evict, None),
    "FLUSHDB": (lambda bare, name: bare.flushdb(), None),
    "FLUSHALL": (lambda bare, name: bare.flushall(), None),
    "RENAME away": (lambda bare, name: bare.rename(name, "other"), None),
    "RENAME to": (rename_to, 2),
    "COPY": (copy, 2),
    "RESTORE": (restore, 2),
}


@pytest.mark.parametrize("way", CHANGES)
def test_a_change_made_by_a_bare_client_shows(fleet: Fleet, way: str) -> None:
    change, after = CHANGES[way]
    name = next(names)
    fleet.bare.set(name, 1)
    fleet.hold(name, 1)
    change(fleet.bare, name)
    fleet.see(name, after)


def test_a_value_is_held_no_longer_than_its_ttl(fleet: Fleet) -> None:
    """By its own deadline: the server announces what has expired when it comes across it."""
    name = next(names)
    fleet.bare.config_set("hz", 1)
    fleet.bare.set(name, 1, px=400)
    fleet.see(name, None)


def test_a_key_that_comes_to_be_is_seen(fleet: Fleet) -> None:
    name = next(names)
    for reader in fleet.readers:
        assert reader(f"read({name!r})") is None
    fleet.bare.set(name, 7)
    fleet.see(name, 7)


def test_a_tag_invalidated_in_one_process_empties_the_other(fleet: Fleet) -> None:
    one, two = fleet.readers
    first = one("tagged(1)")
    for reader in fleet.readers:
        wait_until(lambda reader=reader: reader("hits(tagged, 1)") == [first, True], what="it is held")
    one("invalidate_tags('all')")
    assert one("tagged(1)") != first, "a process reads its own writes at once"
    wait_until(lambda: two("tagged(1)") != first, 5, "the bump shows")
    assert two("tagged(1)") == one("tagged(1)")
