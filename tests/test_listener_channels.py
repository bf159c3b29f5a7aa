"""Users whose ACL has the channels of their namespace only: heard in another way, with the same promises."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from rcollections import DictCache, KeyCache, cached, connection, invalidate_tags, l1_info
from rcollections.testing import Proxy, Server, isolated, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def narrow(server: Server) -> Iterator[str]:
    """The DSN of a user of the namespace ``app``, who has no other channel."""
    rights = "on >secret12 ~app.* resetchannels &app.* +@all -@admin -@dangerous +info +client|tracking +client|id"
    with server.client() as bare:
        bare.execute_command("ACL", "SETUSER", "app", *rights.split())
    yield server.dsn.replace("://", "://app:secret12@", 1) + "?namespace=app"
    with server.client() as bare:
        bare.execute_command("ACL", "DELUSER", "app")


class Held(KeyCache[int]):
    prefix = "held"
    l1 = True


class Tagged(DictCache[str, int]):
    prefix = "tagged"
    tags = ("t",)
    l1 = True


def live() -> None:
    wait_until(lambda: l1_info().state == "live", what=f"it listens ({l1_info()})")


def held(read: object) -> None:
    """Wait until a read is answered by what is held."""

    def hit() -> bool:
        before = l1_info().hits
        read()  # type: ignore[operator]
        return l1_info().hits > before

    wait_until(hit, what="it is held")


def test_all_kinds_of_changes_are_heard(server: Server, narrow: str) -> None:
    """Of values, of tags, of guards, by anyone; and FLUSHALL."""
    with isolated(narrow):

        @cached(ttl=60, tags=("t",), l1=True)
        def f(n: int) -> int:
            return n

        Held("a").set(1)
        Tagged(1, data={"a": 1})
        f(1)
        live()
        for read in (lambda: Held("a").data, lambda: Tagged(1)["a"], lambda: f(1)):
            held(read)
        with server.client() as bare:
            bare.set("app.held.a", "2")
            wait_until(lambda: Held("a").data == 2, what="the change shows")
            bare.hset("app.tagged.1", "a", "2")
            wait_until(lambda: Tagged(1)["a"] == 2, what="the change shows")
            held(lambda: Held("a").data)
            bare.flushall()
            wait_until(lambda: Held("a").data is None, what="FLUSHALL shows")
        Tagged(1, data={"a": 3})
        held(lambda: Tagged(1).get("a"))
        invalidate_tags("t")
        assert Tagged(1).to_dict() == {}


def test_the_server_may_drop_it_when_it_does_not_read(server: Server, narrow: str) -> None:
    """It is subscribed, so the limit of the class ``pubsub`` counts for it."""
    with isolated(narrow):
        Held("a").set(1)
        assert Held("a").data == 1
        live()
        with server.client() as bare:
            subscribed = [each for each in bare.client_list() if each["user"] == "app" and each["sub"] != "0"]
        assert len(subscribed) == 1
        assert "P" in subscribed[0]["flags"]


def test_nothing_older_than_staleness_behind_a_dead_network(server: Server, narrow: str) -> None:
    """The proof is the same: what the listener cannot hear of is served for ``staleness`` at most."""
    with Proxy(server) as proxy:
        dsn = proxy.dsn.replace("://", "://app:secret12@", 1) + "?namespace=app&staleness=0.4&timeout=0.3"
        with isolated(dsn):
            Held("a").set(1)
            live()
            held(lambda: Held("a").data)
            proxy.freeze()
            frozen = time.monotonic()
            wait_until(lambda: l1_info().state in ("unproven", "down"), what="the proof lapses")
            assert time.monotonic() - frozen < 3
            with server.client() as bare:
                bare.set("app.held.a", "2")
            proxy.heal()
            wait_until(lambda: l1_info().state == "live", what="it listens again")
            assert Held("a").data == 2


def test_no_channels_at_all_is_told(server: Server) -> None:
    """Then nothing is held, and the state says why."""
    with server.client() as bare:
        bare.execute_command("ACL", "SETUSER", "none", "on", ">secret12", "~app.*", "resetchannels", "+@all")
    with isolated(server.dsn.replace("://", "://none:secret12@", 1) + "?namespace=app"):
        assert Held("a").data is None
        wait_until(lambda: l1_info().state == "refused", what="it is refused")
        assert "channel" in l1_info().why
        assert connection().raw("PING") == b"PONG"
    with server.client() as bare:
        bare.execute_command("ACL", "DELUSER", "none")
