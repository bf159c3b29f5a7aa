"""``connection().raw()``: what it sends, and what it refuses because all callers share its connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rcollections import CacheError, KeyCache, connection
from rcollections.testing import Proxy, isolated

if TYPE_CHECKING:
    from rcollections.testing import Server

REFUSED = """
MULTI | EXEC | DISCARD | WATCH k | UNWATCH | SELECT 1 | AUTH secret | HELLO 3 | RESET | QUIT | MONITOR | SYNC
PSYNC ? -1 | SUBSCRIBE c | PSUBSCRIBE c* | SSUBSCRIBE c | UNSUBSCRIBE | PUNSUBSCRIBE | SUNSUBSCRIBE | READONLY
READWRITE | ASKING | CLIENT REPLY OFF | CLIENT TRACKING ON | CLIENT CACHING YES | CLIENT NO-EVICT on
CLIENT NO-TOUCH on | CLIENT SETNAME me | CLIENT SETINFO LIB-NAME me | SCRIPT DEBUG YES | BLPOP a 0 | BRPOP a 0
BLMOVE a b LEFT RIGHT 0 | BRPOPLPUSH a b 0 | BLMPOP 0 1 a LEFT | BZPOPMIN a 0 | BZPOPMAX a 0 | BZMPOP 0 1 a MIN
XREAD BLOCK 0 STREAMS s 0 | XREAD COUNT 1 BLOCK 0 STREAMS s 0 | XREADGROUP GROUP g me BLOCK 0 STREAMS s 0
WAIT 0 0 | WAITAOF 0 0 0
"""
LINES = [each.split() for line in REFUSED.strip().splitlines() for each in line.split(" | ")]

SPELLINGS: dict[str, Any] = {
    "as it is": lambda words: words,
    "in lower case": lambda words: [each.lower() for each in words],
    "as one text": lambda words: [" ".join(words)],
    "with spaces": lambda words: [f"  {words[0].title()} ", *words[1:]],
    "as bytes behind the name": lambda words: [words[0], *(each.lower().encode() for each in words[1:])],
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_what_changes_or_holds_up_a_connection_is_refused(server: Server, spelling: str) -> None:
    """However it is spelled, nothing is sent, and the message names the command and another way."""
    with Proxy(server) as proxy, isolated(f"{proxy.dsn}?l1=off"):
        KeyCache("who").set("mine")
        sent = len(proxy.commands)
        for line in LINES:
            with pytest.raises(ValueError, match="; use ") as caught:
                connection().raw(*SPELLINGS[spelling](line))
            assert f"raw() does not send {line[0]}" in str(caught.value)
            assert "secret" not in str(caught.value)
        assert len(proxy.commands) == sent
        assert KeyCache("who").get() == "mine"


def test_their_neighbours_are_sent(server: Server) -> None:
    """Subcommands that ask, and streams whose names are words of the command."""
    with isolated(server.dsn):
        raw = connection().raw
        assert isinstance(raw("CLIENT ID"), int)
        assert raw("client", b"getname") in (None, b"")
        assert raw("SCRIPT EXISTS", "0" * 40) == [0]
        raw("XADD", "BLOCK", "1-1", "f", "v")
        assert raw("XREAD", "COUNT", 1, "STREAMS", "BLOCK", "0") == [[b"BLOCK", [[b"1-1", [b"f", b"v"]]]]]
        raw("XGROUP", "CREATE", "BLOCK", "BLOCK", "0")
        assert raw("XREADGROUP", "GROUP", "BLOCK", "BLOCK", "COUNT", 1, "STREAMS", "BLOCK", ">")


@pytest.mark.parametrize("name", ["", "  ", b"MULTI", 5])
def test_a_command_has_a_name(fresh: Any, name: Any) -> None:
    """A str that says which command."""
    with pytest.raises(CacheError, match="the name of a command"):
        connection().raw(name)


def test_it_is_refused_while_caches_are_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong is wrong with CACHES_DISABLE=1 too."""
    monkeypatch.setenv("CACHES_DISABLE", "1")
    with isolated("memory://"), pytest.raises(ValueError, match=r"pipeline\(\)"):
        connection().raw("multi")
