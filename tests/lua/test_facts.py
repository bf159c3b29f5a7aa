"""What the headers of scripts say of them is what real servers do: the reply of an empty one, and what is changed."""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import connection
from rcollections.errors import CacheError
from rcollections.plans.effects import Script
from rcollections.plans.headers import LEASES_ONLY, Written
from rcollections.plans.scripts import names, source
from rcollections.plans.steps import empty_reply, repeatable, written
from tests.lua.samples import SAMPLES, SEEDS, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rcollections.testing.servers import Server

BY_NAME = {name: list(some) for name, some in groupby(SAMPLES, lambda sample: sample.step.name)}
UNCOUNTED = ("rc:l:", "rc:t:", "rc:k:", "rc:f:")  # leases, tags and locks, of which nobody holds anything
FIELD_TTLS = ("hash_set_ttl", "hash_soonest")  # for servers that know a ttl per field


def test_each_script_has_a_sample() -> None:
    """No script is left out of what follows."""
    assert sorted({sample.step.name for sample in SAMPLES}) == names()


@pytest.mark.parametrize("name", names())
def test_the_empty_reply_is_that_of_an_empty_server(store: Any, name: str) -> None:
    """What ``CACHES_DISABLE=1`` answers is what each server answers when nothing is stored."""
    for step, before in BY_NAME[name]:
        store.raw("FLUSHDB")
        for words in before:
            store.raw(*words)
        if name not in FIELD_TTLS or _field_ttls():
            assert empty_reply(step) == store.one(step), step


@pytest.mark.parametrize("name", names())
def test_the_guarded_form_has_the_same_empty_reply(name: str) -> None:
    """It is asked of the script, with what that takes itself."""
    for step, _ in BY_NAME[name]:
        beside, tags = ("rc:g:{x}", "rc:g:{x}:"), ("rc:t:a",)
        args = (*step.args, b"", b"", 0, 0, b"newstamp", "2 1 r1:1")
        assert empty_reply(Script(f"guarded:{name}", (*step.keys, *beside, *tags), args)) == empty_reply(step)


def _field_ttls() -> bool:
    """Whether this server knows a ttl per field."""
    try:
        return connection().raw("HPTTL", "none", "FIELDS", 1, "f") is not None
    except CacheError:
        return False


def _seed(key: str) -> None:
    command, *content = SEEDS.get(key[:5]) or SEEDS[key[0]]
    connection().raw(command, key, *content)


def _state(key: str) -> tuple[Any, Any]:
    """The content of a key, whatever its order in memory, and when it ends."""
    raw = connection().raw
    read = {b"none": (), b"string": ("GET",), b"hash": ("HGETALL",), b"set": ("SMEMBERS",)}
    kind = raw("TYPE", key)
    content = (
        raw("ZRANGE", key, 0, -1, "WITHSCORES") if kind == b"zset" else raw(*read[kind], key) if read[kind] else []
    )
    return sorted(content) if isinstance(content, list) else content, _end(key)


def _end(key: str) -> int:
    """When a key ends. Redis 6.2 tells only how long the key has left, so there in units of ten seconds."""
    try:
        return int(connection().raw("PEXPIRETIME", key))
    except CacheError as error:
        if "unknown command" not in str(error.__cause__):
            raise
    left = int(connection().raw("PTTL", key))
    return left if left < 0 else round(left / 10_000)


def _changes(sample: Sample, seeded: tuple[str, ...]) -> Iterator[str]:
    """Which keys the call changes where these are stored, and the others are missing."""
    connection().raw("FLUSHDB")
    for key in seeded:
        _seed(key)
    for words in sample.before:
        connection().raw(*words)
    before = {key: _state(key) for key in sample.step.keys}
    connection().one(sample.step)
    yield from (key for key, state in before.items() if _state(key) != state)


@pytest.mark.parametrize("name", names())
def test_what_is_written_is_what_the_header_says(server: Server, name: str) -> None:
    """No other key changes, and each that is named does change in some call; of a reading script none at all."""
    if name in FIELD_TTLS and not _field_ttls():
        pytest.skip("this server knows no ttl per field")
    seen: dict[str, set[str]] = defaultdict(set)
    for sample in BY_NAME[name]:
        keys = tuple(dict.fromkeys(sample.step.keys))
        told = set(written(sample.step, "rc:t:") or ())
        for seeded in ((), keys, keys[:1], keys[1:], tuple(key for key in keys if not key.startswith(UNCOUNTED))):
            changed = set(_changes(sample, seeded))
            counted = {key for key in changed if name == "tag_bump" or not key.startswith(UNCOUNTED)}
            assert counted <= told, f"{sample.step} changes {counted - told}"
            if source(name).header.writes is None:
                assert not changed
            seen["changed"] |= counted
        seen["told"] |= {key for key in told if name == "tag_bump" or not key.startswith(UNCOUNTED)}
    assert seen["told"] == seen["changed"], f"{name} never changes what it tells"


def test_what_reads_may_be_repeated() -> None:
    """And what writes only where its header says so."""
    for name in names():
        header = source(name).header
        assert repeatable(Script(name, (), ())) == header.repeat == repeatable(Script(f"guarded:{name}", (), ()))
        assert header.repeat or header.writes is not None
    safe = [name for name in names() if source(name).header.writes and source(name).header.repeat]
    assert safe == ["entry_delete", "operand_stage"]


def test_what_is_held_reads() -> None:
    """And whoever tells until when is a script that reads one key."""
    held = [source(name).header for name in names() if source(name).header.held]
    assert len(held) == 3
    for header in held:
        assert header.writes is None
        if header.until:
            asked = source(header.until)
            assert asked.header.writes is None
            asked.check(1, 0)


@pytest.mark.parametrize(
    ("text", "keys", "expected"),
    [
        ("KEYS[1]", "a b c", "a"),
        ("KEYS[3]", "a b c", "c"),
        ("KEYS[2], KEYS[1]", "a b c", "b a"),
        ("KEYS[2..]", "a b c", "b c"),
        ("KEYS[1..ARGV[2]]", "a b c", "a b"),
        ("KEYS[1], KEYS[3..]", "a b c d", "a c d"),
        (LEASES_ONLY, "a b", ""),
    ],
)
def test_the_keys_of_a_writes_line(text: str, keys: str, expected: str) -> None:
    """In the order of the line, so that the first is the one that the script is for."""
    step = Script("any", tuple(keys.split()), ("x", 2))
    assert Written(text).keys(step) == tuple(expected.split())
