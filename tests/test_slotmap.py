"""The map of a cluster: slots of keys, and what CLUSTER SLOTS says of their owners."""

from __future__ import annotations

from array import array
from binascii import crc_hqx
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcollections.plans import naming
from rcollections.plans.effects import Command, Script
from rcollections.plans.naming import guard, lease, lock, staging
from rcollections.plans.slots import NO_KEY, SLOTS, keys_of, several, slot_of, slot_of_keys
from rcollections.wire.slotmap import SlotMap, changed, read_info, read_slots

if TYPE_CHECKING:
    import random

ASKED = ("asked", 7000)


@pytest.mark.parametrize(
    ("key", "slot"),
    [("", 0), ("foo", 12182), ("{foo}bar", 12182), ("a{foo}b{bar}", 12182), ("foo{}{bar}", 8363), ("123456789", 12739)],
)
def test_slots_of_the_specification(key: str, slot: int) -> None:
    """CRC16 of the key, or of what stands in its first braces."""
    assert slot_of(key) == slot_of(key.encode()) == slot


@given(st.text())
def test_all_names_beside_a_key_are_in_its_slot(key: str) -> None:
    """Lease, guard, lock and staging keys; what is said to choose the slot does."""
    try:
        data = key.encode()
    except UnicodeEncodeError:
        return
    assert slot_of(key) == slot_of(data) == crc_hqx(naming.slot(key).encode(), 0) % SLOTS
    if "{" not in key and "}" not in key and key:
        for beside in (lease, guard, lock, staging):
            assert slot_of(beside("ns", key)) == slot_of(key)


def test_the_keys_of_steps() -> None:
    """By the table of commands; of others the first word is taken for a key."""
    assert keys_of(Command(("GET", "a"))) == ("a",)
    assert keys_of(Command(("ZUNION", 2, "a", "b", "WITHSCORES"))) == ("a", "b")
    assert keys_of(Command(("PING",))) == ()
    assert keys_of(Command(("XADD", "s", "*", "f", 1))) == ("s",)
    assert keys_of(Script("set_xor", ("a", "b"), ())) == ("a", "b")
    assert slot_of_keys(("{a}1", "{a}2")) == slot_of("a")
    assert slot_of_keys(("a", "b")) is None
    assert slot_of_keys(()) == NO_KEY
    assert several(Command(("MGET", "a", "b")))
    assert not several(Command(("MGET", "{a}b", "{a}c")))


def entry(first: int, last: int, *members: tuple[object, int]) -> list[object]:
    return [first, last, *([host, port, b"id", []] for host, port in members)]


def test_a_reply_is_read() -> None:
    """Owners by slot, replicas by owner; a node without a name is where we asked."""
    reply = [
        entry(0, 5460, (b"h1", 7000), (b"h2", 7003)),
        entry(5461, 10922, (b"", 7001), (None, 7004)),
        entry(10923, 16383, (b"h1", 7000)),
    ]
    found = read_slots(reply, ASKED)
    assert found.covered
    assert found.nodes == (("h1", 7000), ("asked", 7001))
    assert found.owner(0) == found.owner(16383) == ("h1", 7000)
    assert found.owner(6000) == ("asked", 7001)
    assert found.replicas == {("h1", 7000): (("h2", 7003),), ("asked", 7001): (("asked", 7004),)}
    assert found.known == (("h1", 7000), ("asked", 7001), ("h2", 7003), ("asked", 7004))
    assert found.first(("asked", 7001)) == 5461
    assert found.first(("h2", 7003)) is None


@pytest.mark.parametrize("metadata", [[b"ip", b"10.0.0.1"], {b"ip": b"10.0.0.1"}, [b"hostname", b"10.0.0.1"]])
def test_an_unknown_name_is_told_by_the_metadata(metadata: object) -> None:
    """ "?" says that the server is set up for names and does not know this one."""
    found = read_slots([[0, 100, [b"?", 7000, b"id", metadata]]], ASKED)
    assert found.owner(5) == ("10.0.0.1", 7000)


def test_a_node_without_an_address_owns_nothing_that_we_could_ask() -> None:
    """Also in replies of old servers, without metadata."""
    for member in ([b"?", 7000, b"id", []], [b"?", 7000]):
        found = read_slots([[0, 100, member], entry(101, SLOTS - 1, (b"h", 1))], ASKED)
        assert found.owner(5) is None
        assert not found.covered


@pytest.mark.parametrize("reply", [None, 5, b"OK", [[0]], [[0, "x", [b"h", 1]]], [[0, 5, 7]], [[0, 5, [b"h"]]]])
def test_what_is_no_such_reply(reply: object) -> None:
    """Raises ValueError, and nothing else."""
    with pytest.raises(ValueError, match="CLUSTER SLOTS"):
        read_slots(reply, ASKED)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_a_map_in_any_pieces(owners: list[int], rng: random.Random) -> None:
    """However the slots are cut and in whatever order they are told."""
    cuts = [0, *sorted(rng.sample(range(1, SLOTS), len(owners) - 1)), SLOTS]
    parts = [
        entry(first, last - 1, (b"h", 7000 + owner)) for first, last, owner in zip(cuts, cuts[1:], owners, strict=False)
    ]
    rng.shuffle(parts)
    found = read_slots(parts, ASKED)
    for first, last, owner in zip(cuts, cuts[1:], owners, strict=False):
        for slot in (first, last - 1):
            assert found.owner(slot) == ("h", 7000 + owner)
    assert found.covered
    assert changed(found, found) == frozenset()
    slot = rng.randrange(SLOTS)
    moved = found.moved(slot, ("new", 1))
    assert moved.owner(slot) == ("new", 1)
    assert changed(found, moved) == {slot}
    assert found.owner(slot) != ("new", 1)
    assert moved.sum != found.sum


def test_an_empty_map() -> None:
    """Nobody owns anything."""
    found = SlotMap.empty()
    assert found.owner(0) is None
    assert not found.covered
    assert found.known == ()
    assert isinstance(found._owners, array)


def test_info() -> None:
    """Whether the cluster serves, and its epoch."""
    assert read_info(b"cluster_state:ok\r\ncluster_current_epoch:7\r\n") == (True, 7)
    assert read_info(b"cluster_state:fail\r\n") == (False, 0)
    assert read_info(b"") == (False, 0)
