"""The two drivers carry out the same plans: one on the calling thread, one for asyncio."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import CacheError, WrongTypeError
from rcollections.plans.effects import Batch, Call, Command, Plan, Script, Sleep
from rcollections.servers.drivers.aio import adrive
from rcollections.servers.drivers.sync import drive

if TYPE_CHECKING:
    from collections.abc import Callable

    from rcollections.servers.connection import Connection


@pytest.fixture(params=["drive", "adrive"])
def run(request: pytest.FixtureRequest) -> Callable[[Plan[Any], Connection], Any]:
    """Runs a plan by one of the drivers."""
    if request.param == "drive":
        return drive

    def run_async(plan: Plan[Any], connection: Connection) -> Any:
        return asyncio.run(_and_close(plan, connection))

    return run_async


async def _and_close(plan: Plan[Any], connection: Connection) -> Any:
    from rcollections.servers.loops import aclose

    try:
        return await adrive(plan, connection)
    finally:
        await aclose(connection)


def test_every_effect(run: Any, store: Connection) -> None:
    """Commands, scripts (known to the server or not), batches, calls and sleeps give their replies."""

    def plan() -> Plan[list[Any]]:
        out = [(yield Command(("SET", "a", "1")))]
        out.append((yield Command(("GET", "a"))))
        out.append((yield Script("hash_set", ("h",), (0, "last", "f", "v"))))
        (out.append((yield Batch((Command(("GET", "a")), Script("hash_pop", ("h",), ("f",)))))),)
        out.append((yield Batch((Command(("INCR", "a")), Command(("INCR", "a"))), atomic=True)))
        out.append((yield Batch((), atomic=True)))
        out.append((yield Call(lambda: 42)))
        out.append((yield Sleep(0)))
        return out

    assert run(plan(), store) == [
        b"OK",
        b"1",
        [b"ok", 1],
        [b"1", [b"ok", b"v"]],
        [2, 3],
        [],
        42,
        None,
    ]


def test_scripts_come_back_after_a_flush(run: Any, store: Connection) -> None:
    """A server that forgot all scripts gets their text again, in a batch as well."""

    def plan() -> Plan[Any]:
        yield Script("hash_set", ("h",), (0, "last", "f", "v"))
        yield Command(("SCRIPT", "FLUSH"))
        one = yield Script("hash_set", ("h",), (0, "last", "g", "v"))
        yield Command(("SCRIPT", "FLUSH"))
        many = yield Batch((Command(("HLEN", "h")), Script("hash_pop", ("h",), ("g",)), Command(("HLEN", "h"))))
        return one, many[1]

    assert run(plan(), store) == ([b"ok", 1], [b"ok", b"v"])


def test_errors_are_thrown_into_the_plan(run: Any, store: Connection) -> None:
    """A plan sees our errors at its yield, can clean up, and go on."""

    def plan() -> Plan[Any]:
        yield Command(("SET", "text", "x"))
        try:
            yield Command(("HGET", "text", "f"))
        except WrongTypeError as error:
            first = str(error)
        kept = yield Batch((Command(("GET", "text")), Command(("LPOP", "text"))), keep_errors=True)
        try:
            yield Batch((Command(("LPOP", "text")), Command(("SET", "after", "1"))))
        except WrongTypeError:
            after = yield Command(("GET", "after"))
        try:
            yield Call(lambda: 1 // 0)
        except ZeroDivisionError:
            return first, kept, after

    first, kept, after = run(plan(), store)
    assert "'text'" in first
    assert kept[0] == b"x"
    assert isinstance(kept[1], WrongTypeError)
    assert after == b"1", "a step of a plain batch runs although another failed"


def test_an_error_that_no_plan_catches_reaches_the_caller(run: Any, store: Connection) -> None:
    """What a plan lets through is raised, with the cause kept."""

    def plan() -> Plan[None]:
        yield Command(("NOSUCHCOMMAND", "secret-value"))

    with pytest.raises(CacheError) as caught:
        run(plan(), store)
    assert "secret-value" not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_a_plan_that_yields_nonsense_is_told(run: Any, store: Connection) -> None:
    """Only effects can be yielded."""

    def plan() -> Plan[None]:
        yield "GET a"  # type: ignore[misc]

    with pytest.raises(TypeError, match="yielded str"):
        run(plan(), store)


def test_adrive_awaits_what_a_call_returns(store: Connection) -> None:
    """The user's function may be a coroutine function."""

    async def answer() -> int:
        await asyncio.sleep(0)
        return 7

    def plan() -> Plan[int]:
        return (yield Call(answer))  # type: ignore[return-value]

    assert asyncio.run(_and_close(plan(), store)) == 7


def test_cancellation_reaches_the_plan(store: Connection) -> None:
    """Cancelling the task throws into the plan at its yield; what it does to clean up is carried out."""

    async def main() -> Any:
        entered = asyncio.Event()

        async def forever() -> None:
            entered.set()
            await asyncio.Event().wait()

        def plan() -> Plan[None]:
            yield Command(("SET", "lock", "mine"))
            try:
                yield Call(forever)
            except BaseException:
                yield Command(("DEL", "lock"))
                raise

        task = asyncio.ensure_future(adrive(plan(), store))
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        from rcollections.servers.loops import aclose

        await aclose(store)

    asyncio.run(main())
    assert store.raw("EXISTS", "lock") == 0


def test_a_cancellation_that_meets_the_reply_is_not_lost(store: Connection) -> None:
    """At whatever step it comes: a task that was not done is cancelled, and the next command gets its own reply."""

    def plan(word: str) -> Plan[Any]:
        return (yield Command(("ECHO", word)))

    async def main() -> list[bool]:
        seen = []
        for steps in [*range(60)] * 3:
            task = asyncio.ensure_future(adrive(plan("cancelled"), store))
            for _ in range(steps):
                await asyncio.sleep(0)
            seen.append(task.cancel())
            if seen[-1]:
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert await adrive(plan("next"), store) == b"next"
        from rcollections.servers.loops import aclose

        await aclose(store)
        return seen

    assert any(asyncio.run(main()))
