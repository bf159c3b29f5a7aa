"""The table of commands is complete, is the only one, and says what real servers say."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import connection
from rcollections.errors import CacheError
from rcollections.plans.commands import COMMANDS, NONE, answer
from rcollections.plans.effects import Command
from rcollections.plans.steps import empty_reply, repeatable, written
from rcollections.wire.words import key_of
from tests.imports import modules, room
from tests.test_disabled import calls, outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rcollections.testing.servers import Server

# Each command of the table as it may be sent, some of them in two ways.
SENT = """
EXISTS a b | GET a | GETBIT a 3 | GETRANGE a 0 -1 | HEXISTS a f | HGET a f | HGETALL a | HKEYS a | HLEN a | HMGET a f g
DUMP a | HPTTL a FIELDS 2 f g
HSCAN a 0 COUNT 10 | HSTRLEN a f | HVALS a | LCS a b | LLEN a | LRANGE a 0 -1 | MGET a b c | PING
PTTL a | SCAN 0 MATCH x* COUNT 10 | SCARD a | SDIFF a b | SINTER a b c | SISMEMBER a m | SMEMBERS a | SMISMEMBER a m n
SRANDMEMBER a 2 | SRANDMEMBER a | SSCAN a 0 | STRLEN a | SUNION a b | TTL a | TYPE a | XLEN a | XRANGE a - + | ZCARD a
ZCOUNT a -inf +inf | ZDIFF 2 a b WITHSCORES | ZINTER 2 a b AGGREGATE MIN WITHSCORES | ZMSCORE a m n | ZRANGE a 0 -1 REV
ZRANGEBYSCORE a 0 1 | ZRANK a m | ZREVRANK a m | ZSCAN a 0 | ZSCORE a m | ZUNION 3 a b c WITHSCORES
RESTORE a 0 x
DEL a b | EXPIRE a 10 | GETDEL a | HDEL a f g | HSET a f 1 g 2 f 3 | INCR a | INCRBY a 5 | PERSIST a | PEXPIRE a 10
SADD a m n m | SET a 1 PX 1000 | SPOP a | SPOP a 2 | SREM a m n | UNLINK a b c | ZADD a 1 m | ZPOPMAX a | ZPOPMIN a 2
ZREM a m | ZREMRANGEBYRANK a 0 1 | ZREMRANGEBYSCORE a 0 1
ACL WHOAMI | BGREWRITEAOF | BGSAVE | CLIENT ID | CLUSTER INFO | COMMAND COUNT | CONFIG GET x | DBSIZE
ECHO a | INFO server | KEYS a* | LASTSAVE | LATENCY LATEST | LOLWUT | MEMORY USAGE a | OBJECT ENCODING a
PUBLISH channel a | PUBSUB CHANNELS | RANDOMKEY | ROLE | SAVE | SCRIPT FLUSH | SLOWLOG LEN
TIME
"""
WORDS = [tuple(each.split()) for line in SENT.strip().splitlines() for each in line.split(" | ")]
PLUMBING = {"EVAL", "EVALSHA", "EXEC", "MULTI"}  # what trips are made of
NAMES = {str(name) for name in COMMANDS}


def test_each_command_is_tried() -> None:
    """No line of the table is left out of what follows."""
    assert {words[0] for words in WORDS} == NAMES


def _info(name: str) -> Any:
    """What the server says of a command; None if it does not know it."""
    found = connection().raw("COMMAND", "INFO", name)
    return found[0] if found else None


def _asked(server: Any, *words: Any) -> tuple[Any, str]:
    """The reply, or what the server says why there is none."""
    try:
        return server.raw(*words), ""
    except CacheError as error:
        return None, str(error.__cause__)


def test_keys_stand_where_the_server_says(server: Server) -> None:
    """``COMMAND GETKEYS`` finds the same keys in the same words, or none where the table has none."""
    tried = 0
    for words in WORDS:
        if _info(words[0]) is None:
            continue
        tried += 1
        theirs, refusal = _asked(connection(), "COMMAND", "GETKEYS", *words)
        if refusal:  # Redis takes no single word there
            assert "no key arguments" in refusal or (len(words) == 1 and "getkeys" in refusal), words
        assert list(COMMANDS[words[0]].keys(words)) == [key.decode() for key in theirs or ()], words
    assert tried > 90


def test_what_reads_and_what_writes(server: Server) -> None:
    """Whoever has keys and is repeated has the server's flag ``readonly``, and what writes has ``write``."""
    tried = 0
    for name in NAMES - {"MEMORY", "OBJECT"}:  # their subcommands have the flags
        info, facts = _info(name), COMMANDS[name]
        if info is None:
            continue
        tried += 1
        flags = set(info[2])
        assert facts.writes == (b"write" in flags), name
        if facts.where != NONE:
            assert facts.repeat == (b"readonly" in flags), name
        assert not (facts.repeat and facts.writes), name
        assert facts.repeat or not facts.held, name
    assert tried > 80


def test_the_empty_reply_is_that_of_an_empty_server(store: Any) -> None:
    """What ``CACHES_DISABLE=1`` answers is what each server answers when nothing is stored."""
    tried = 0
    for words in WORDS:
        ours = answer(words)
        if isinstance(ours, CacheError):
            continue
        store.raw("FLUSHDB")
        theirs, refusal = _asked(store, *words)
        if "unknown command" not in refusal.lower():
            tried += 1
            assert (ours, "") == (theirs, refusal), words
    assert tried > 60


def test_only_a_server_answers_for_itself() -> None:
    """What is unknown, or asks the server about itself, has no meaning without one."""
    for words in (("INFO",), ("FCALL", "f", 0), ("ZADD", "z", 1, "m")):
        reply = empty_reply(Command(words))
        assert isinstance(reply, CacheError)
        assert words[0] in str(reply)
    unknown = Command(("FCALL", "f", 0))
    assert not repeatable(unknown)
    assert written(unknown, "rc:t:") is None
    assert key_of(unknown) == ""
    assert written(Command(("INFO",)), "rc:t:") == ()
    assert not repeatable(Command(("INFO",)))


def test_errors_name_the_first_key() -> None:
    """Wherever it stands; where the words make no sense, none."""
    assert key_of(Command(("ZUNION", 2, "a", "b"))) == "a"
    assert key_of(Command(("OBJECT", "ENCODING", "a"))) == "a"
    for words in (("ZUNION",), ("ZUNION", "many", "a"), ("GET",), ("GET", b"a"), ("OBJECT", "HELP")):
        assert key_of(Command(words)) == ""


def test_lists_of_an_empty_server_are_not_shared() -> None:
    """Whoever changes a reply changes no other one."""
    first = answer(("SCAN", 0))
    first[1].append(b"x")
    assert answer(("SCAN", 0)) == [b"0", []]


@pytest.mark.parametrize(
    "module", [m for m in modules() if room(m) in {"plans", "collections", "handles", "functions"}]
)
def test_each_command_that_is_built_is_in_the_table(servers: dict[str, Any], server: Server, module: str) -> None:
    """No word of the logic is a command of the server and unknown to the table."""
    words = {
        node.value
        for node in ast.walk(ast.parse(modules()[module].read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[A-Z]{3,}", node.value)
    }
    assert {word for word in words - NAMES if _info(word) is not None} == set()


def test_each_command_that_is_sent_is_in_the_table(server: Server) -> None:
    """Every kind of call on a real server: what arrives there is in the table, but for what trips are made of."""
    arrived = set()
    with server.client() as bare, bare.monitor() as monitor:
        for call in calls().values():
            outcome(call)
        connection().raw("ECHO", "that was all")
        for told in iter(monitor.next_command, None):
            if told["command"] == "ECHO that was all":
                break
            if told["client_type"] != "lua":  # what scripts call is theirs to know
                arrived.add(told["command"].split()[0].upper())
    assert arrived >= {"EVALSHA", "GET", "HGET", "SUNION", "ZRANGE", "HDEL"}
    assert arrived - PLUMBING <= NAMES


def _lists(tree: ast.AST) -> Iterator[set[Any]]:
    """What is written down as a collection of texts: with brackets, or as one text that is split."""
    for node in ast.walk(tree):
        parts: list[Any] = []
        if isinstance(node, (ast.Set, ast.List, ast.Tuple)):
            parts = node.elts
        elif isinstance(node, ast.Dict):
            parts = node.keys
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield set(node.value.split()) if re.fullmatch(r"[A-Z\s]+", node.value) else set()
        yield {part.value for part in parts if isinstance(part, ast.Constant)}


def _listed(text: str) -> list[set[Any]]:
    return [found & NAMES for found in _lists(ast.parse(text)) if len(found & NAMES) >= 3]


@pytest.mark.parametrize("module", [m for m in modules() if m != "rcollections.plans.commands"])
def test_nobody_else_lists_commands(module: str) -> None:
    """Facts stand once: three commands or more in one collection are a second table."""
    assert _listed(modules()[module].read_text()) == []


def test_a_second_table_would_be_found() -> None:
    """In each form that one could have."""
    for text in (
        "{'GET', 'SET', 'DEL'}",
        "x = 'GET SET\\nDEL'.split()",
        "{'GET': 1, 'SET': 2, 'DEL': 3}",
        "['GET', 'SET', 'DEL']",
    ):
        assert _listed(text) == [{"GET", "SET", "DEL"}]
    assert _listed("('ZRANGE', key, 'REV', 'LIMIT')") == []
