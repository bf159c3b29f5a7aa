"""``on_error = "empty"``: while the server fails, plain reads find nothing, plain writes are dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rcollections import (
    CacheConnectionError,
    CacheError,
    CacheMissError,
    ConfigError,
    CounterCache,
    DictCache,
    KeyCache,
    SetCache,
    SortedSetCache,
    WrongTypeError,
    cached,
    connection,
    observe,
)
from rcollections.plans.commands import COMMANDS
from rcollections.plans.effects import Command, Script
from rcollections.plans.emptied import is_failure
from rcollections.plans.scripts import names, source
from rcollections.plans.steps import decides
from rcollections.testing import Server, isolated, wait_until
from tests.kinds import one_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Value(KeyCache[Any]):
    prefix = "value"
    on_error = "empty"


class Tagged(Value):
    prefix = "tagged"
    tags = ("t",)


class Held(Value):
    prefix = "held"
    l1 = True


class Profile(DictCache[str, Any]):
    prefix = "profile"
    on_error = "empty"


class Loaded(Profile):
    prefix = "loaded"
    tags = ("t",)

    def load(self) -> dict[str, Any]:
        raise AssertionError("nothing is loaded that cannot be stored")


class Members(SetCache[Any]):
    prefix = "members"
    on_error = "empty"


class Scores(SortedSetCache[Any]):
    prefix = "scores"
    on_error = "empty"


class Counts(CounterCache[str]):
    prefix = "counts"
    on_error = "empty"


@pytest.fixture
def away() -> Iterator[None]:
    """Nobody listens at the address of the default connection."""
    with isolated("redis://127.0.0.1:1"):
        yield


def big() -> dict[str, int]:
    return {str(n): n for n in range(5_001)}


def plain() -> dict[str, tuple[Callable[[], Any], Any]]:
    """Calls, and what they give while the server is away."""
    k, d, s, z, c = Value(1), Profile(1), Members(1), Scores(1), Counts(1)
    return {
        "k.get": (k.get, None),
        "k.get default": (lambda: k.get(7), 7),
        "k.data": (lambda: k.data, None),
        "k.exists": (k.exists, False),
        "k.expires_in": (k.expires_in, None),
        "k.expire": (lambda: k.expire(5), False),
        "k.set": (lambda: k.set(1), True),
        "k.clear": (k.clear, False),
        "tagged.get": (Tagged(1).get, None),
        "tagged.set": (lambda: Tagged(1).set(1), True),
        "held.get": (Held(1).get, None),
        "K.get_many": (lambda: Value.get_many([1, 2]), {}),
        "K.set_many": (lambda: Value.set_many({1: 2}), None),
        "d.get": (lambda: d.get("a"), None),
        "d.in": (lambda: "a" in d, False),
        "d.len": (lambda: len(d), 0),
        "d.iter": (lambda: list(d), []),
        "d.items": (lambda: list(d.items()), []),
        "d.to_dict": (d.to_dict, {}),
        "d ==": (lambda: d == {}, True),
        "d.set": (lambda: d.set("a", 1), True),
        "d.update": (lambda: d.update(a=1), None),
        "d.update big": (lambda: d.update(big()), None),
        "d.replace big": (lambda: Profile(2, data=big()).key, "profile.2"),
        "d.delete_many": (lambda: d.delete_many(["a"]), 0),
        "loaded.get": (lambda: Loaded(1).get("a"), None),
        "loaded.to_dict": (Loaded(1).to_dict, {}),
        "s.add": (lambda: s.add(1), True),
        "s.in": (lambda: 1 in s, False),
        "s.discard": (lambda: s.discard(1), False),
        "s.to_set": (s.to_set, set()),
        "s <=": (lambda: s <= {1}, True),
        "s |": (lambda: s | {1}, {1}),
        "s.contains_many": (lambda: s.contains_many([1]), {1: False}),
        "z.add": (lambda: z.add(1, 2.0), True),
        "z.get": (lambda: z.get(1), None),
        "z.iter": (lambda: list(z), []),
        "z range": (lambda: z[0:3], []),
        "c[]": (lambda: c["a"], 0),
        "c.set": (lambda: c.set("a", 3), True),
        "c.total": (lambda: c.total(), 0),
    }  # fmt: skip


@pytest.mark.usefixtures("away")
@pytest.mark.parametrize("name", plain())
def test_plain_calls_go_on(name: str) -> None:
    """The first one may find out, those after it meet an open breaker; the answer is the same."""
    call, answer = plain()[name]
    assert call() == answer
    assert connection().breaker.is_open
    assert call() == answer


@pytest.mark.usefixtures("away")
def test_what_is_missing_says_so_as_ever() -> None:
    """As on an empty server."""
    for missing in (lambda: Profile(1)["a"], lambda: Scores(1).score("a"), lambda: Scores(1)[0] or 1):
        with pytest.raises((KeyError, IndexError)):
            missing()
    with pytest.raises(CacheMissError):
        Value(1).peek()


def deciding() -> dict[str, Callable[[], Any]]:
    k, d, s, z, c = Value(1), Profile(1), Members(1), Scores(1), Counts(1)

    def edit(handle: Any, *args: Any) -> None:
        with handle.edit(*args):
            raise AssertionError("nothing was read")

    def count() -> None:
        c["a"] += 1

    def piped() -> None:
        with d.pipeline() as p:
            p.get("a")
            p.pop("b", None)

    return {
        "nx": lambda: k.set(1, nx=True),
        "nx tagged": lambda: Tagged(1).set(1, nx=True),
        "k.add": lambda: k.add(1),
        "cas": lambda: k.cas(1, k.gets()[1]),
        "cas tagged": lambda: Tagged(1).cas(1, Tagged(1).gets()[1]),
        "mutate": lambda: k.mutate(lambda _: 1, default=0),
        "edit": lambda: edit(k, {}),
        "getdel": lambda: k.getdel(1),
        "clear if_value": lambda: k.clear(if_value=1),
        "k.increment": k.increment,
        "tagged.increment": Tagged(1).increment,
        "must_exist": lambda: k.increment(must_exist=True),
        "d.pop": lambda: d.pop("a", None),
        "d.popitem": d.popitem,
        "d.setdefault": lambda: d.setdefault("a", 1),
        "d.increment": lambda: d.increment("a"),
        "d.mutate": lambda: d.mutate("a", lambda _: 1, default=0),
        "d.edit": lambda: edit(d, "a", {}),
        "s.pop": s.pop,
        "z.addnx": lambda: z.addnx(1),
        "z.incr": lambda: z.incr(1),
        "z.pop": z.pop,
        "z.rpop": z.rpop,
        "c += 1": count,
        "c.increment": lambda: c.increment("a"),
        "c.pop": lambda: c.pop("a", 0),
        "pipeline": piped,
    }  # fmt: skip


@pytest.mark.usefixtures("away")
@pytest.mark.parametrize("name", deciding())
def test_what_decides_raises_all_the_same(name: str) -> None:
    """Nobody shall act on an answer that nobody gave."""
    for _ in range(2):
        with pytest.raises(CacheConnectionError):
            deciding()[name]()


@pytest.mark.usefixtures("away")
def test_pipelines() -> None:
    """Reads find nothing, writes are dropped; a collection that raises lets all raise."""
    with Profile(1).pipeline() as p:
        p["a"] = 1
        found, there = p.get("a"), p(Members(1)).contains(2)
    assert (found.value, there.value) == (None, False)
    with pytest.raises(CacheConnectionError), Profile(1).pipeline() as p:
        p(DictCache("strict"))["a"] = 1


@pytest.mark.usefixtures("away")
def test_it_is_counted_and_logged_once_a_class(caplog: pytest.LogCaptureFixture) -> None:
    """Observers see each failed call with its error."""
    for _ in range(3):
        Value(1).get()
        Profile(1).update(a=1)
    told = [each.getMessage() for each in caplog.records if "reads find nothing" in each.getMessage()]
    assert len(told) == 2
    assert sorted(connection().emptied.values()) == [3, 3]
    errors: list[BaseException | None] = []

    class Seeing(observe.Observer):
        def after(self, event: observe.Event) -> None:
            errors.append(event.error)

    with observe.observing(Seeing()):
        assert Value(1).get() is None
    assert [type(error) for error in errors] == [CacheConnectionError]


def test_it_ends_with_the_failure() -> None:
    """And a caller's mistake is raised as ever."""
    with Server(one_server(), tcp=True) as server, isolated(server.dsn + "?timeout=0.3&connect_timeout=0.3"):
        value = Value(1, data=5)
        with pytest.raises(WrongTypeError):
            Profile.at("value.1").get("a")
        server.freeze()
        assert value.get() is None
        server.thaw()
        wait_until(connection().breaker.allows)
        assert value.get() == 5


def test_a_server_that_refuses_fails_too() -> None:
    """Full: the write is dropped, reads go on."""
    with Server(one_server(), tcp=True) as server, isolated(server.dsn):
        value = Value(1, data=5)
        with server.client() as bare:
            bare.config_set("maxmemory", "100kb")
        assert value.set("x" * 100)
        assert value.get() == 5
        with pytest.raises(CacheError, match="out of memory"):
            KeyCache("k").set("x" * 100)


def test_the_attribute_is_checked() -> None:
    """By the class, and for one handle."""
    with pytest.raises(ConfigError, match="is 'raise' or 'empty', not 'ignore'"):
        type("Wrong", (KeyCache,), {"on_error": "ignore"})
    with pytest.raises(ConfigError):
        KeyCache("k", on_error="compute")


@pytest.mark.usefixtures("away")
def test_functions_have_their_own(caplog: pytest.LogCaptureFixture) -> None:
    """They compute, or raise if they say so; the class's attribute is not theirs."""

    @cached(Value)
    def f() -> int:
        return 3

    @cached(Value, on_error="raise")
    def g() -> int:
        return 3

    assert f() == 3
    with pytest.raises(CacheConnectionError):
        g()
    with pytest.raises(CacheConnectionError):
        f.invalidate()
    assert not connection().emptied
    assert caplog.records


def test_each_step_says_whether_its_answer_decides() -> None:
    """What takes out, counts or compares does; what no table knows does too."""
    said = {name for name, facts in COMMANDS.items() if facts.decides}
    assert said == {"GETDEL", "INCR", "INCRBY", "SPOP", "ZPOPMAX", "ZPOPMIN"}
    assert decides(Command(("FOREIGN", "k")))
    always = {name for name in names() if source(name).header.decides(Script(name, (), (b"",) * 9))}
    assert always == {
        "counter_incr", "counter_pop", "counter_popitem", "entry_incr", "entry_take", "hash_cas", "hash_incr",
        "hash_pop", "hash_popitem", "hash_setdefault", "key_add", "key_cas", "key_incr", "zset_incr",
    }  # fmt: skip
    assert not decides(Script("zset_add", ("z",), (0, "last", "", 1.0, "a")))
    assert decides(Script("zset_add", ("z",), (0, "last", "nx", 1.0, "a")))
    assert not is_failure(WrongTypeError("a list"))
