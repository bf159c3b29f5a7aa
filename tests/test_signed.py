"""A signed value counts where it was put: another key, field or kind makes it unreadable (rule G1)."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcollections import (
    CacheMissError,
    ConfigError,
    CounterCache,
    DecodeError,
    DictCache,
    EncodeError,
    KeyCache,
    SetCache,
    SortedSetCache,
    WrongTypeError,
    cached,
    configure,
    connection,
    invalidate_tags,
    no_l1,
)
from rcollections.values import Codec
from rcollections.values.signing import ERROR, Keyring, place
from tests.trips import trips

HOME = IPv4Address("10.0.0.1")  # a value that only a signed pickle carries
OLD, NEW = "an old key that is long enough", "a new key that is long enough"
KEYS = Keyring([NEW])


class Session(KeyCache[Any]):
    prefix = "session"
    ttl = 60


class Sealed(KeyCache[Any]):
    prefix = "sealed"
    ttl = 60
    signed = True


class Vault(DictCache[Any, Any]):
    prefix = "vault"
    ttl = 60
    signed = True


@pytest.fixture
def signing(store: Any) -> Any:
    configure(signing_key=NEW)
    return store


def raw(*words: Any) -> Any:
    return connection().raw(*words)


# -- places ------------------------------------------------------------------------------------------

text = st.text(max_size=6)
fields = st.none() | st.binary(max_size=6)


places = st.tuples(text, fields, st.sampled_from([0, 1]))


@given(places, places)
def test_places_differ_and_none_begins_another(one: Any, other: Any) -> None:
    a, b = place(*one), place(*other)
    assert (a == b) == (one == other)
    assert one == other or not (a.startswith(b) or b.startswith(a))


@given(st.binary(max_size=30), text, fields)
def test_signed_bytes_are_read_at_their_place_only(field: bytes, key: str, other: bytes | None) -> None:
    codec = Codec(keyring=KEYS)
    data = codec.dumps(HOME, key, field)
    assert codec.loads(data, key, field) == HOME
    others = [(key + "x", field, 0), (key, field + b"x", 0), (key, None, 0), (key, field, ERROR)]
    for elsewhere in others + ([(key, other, 0)] if other != field else []):
        with pytest.raises(DecodeError, match="not signed"):
            codec.loads(data, *elsewhere)


# -- values that were moved --------------------------------------------------------------------------


def test_a_value_that_was_moved_to_another_key_is_missing(signing: Any) -> None:
    Session("ann").set(HOME)
    raw("SET", "session.eve", raw("GET", "session.ann"))
    eve = Session("eve")
    assert Session("ann").get() == HOME
    assert eve.get() is None
    assert eve.get(0) == 0
    assert Session.get_many(["ann", "eve"]) == {"ann": HOME}
    with pytest.raises(CacheMissError):
        eve.peek()
    with pytest.raises(DecodeError, match="for this key"):
        eve.peek(strict=True)
    assert eve.add(1)


def test_a_value_that_was_moved_to_another_field_is_unreadable(signing: Any) -> None:
    d = DictCache("d", data={"ann": HOME, "n": 1})
    raw("HSET", "d", "eve", raw("HGET", "d", "ann"))
    raw("HSET", "e", "ann", raw("HGET", "d", "ann"))
    assert d["ann"] == HOME
    for read in (lambda: d["eve"], lambda: dict(d), lambda: list(d.values()), lambda: d.get_many(["eve"]),
                 lambda: d.pop("eve"), lambda: DictCache("e")["ann"]):  # fmt: skip
        with pytest.raises(DecodeError):
            read()


def test_a_cached_error_is_no_value(signing: Any) -> None:
    """An error and a value of one key do not stand for each other."""

    @cached(cache_errors=(KeyError,), ttl=60, key="answer")
    def fails() -> Any:
        raise KeyError(HOME)

    for _ in range(2):
        with pytest.raises(KeyError):
            fails()
    entry = raw("GET", "answer")
    assert entry[:2] == b"\xc0\x01"
    raw("SET", "answer", entry[18:])
    assert KeyCache("answer").get("none") == "none"


def test_a_function_does_not_take_the_result_of_another_call(signing: Any) -> None:
    calls = []

    @cached(ttl=60, l1=False)
    def address(user: str) -> Any:
        calls.append(user)
        return [HOME, user]

    assert address("ann") == address("ann") == [HOME, "ann"]
    raw("SET", address.key("eve"), raw("GET", address.key("ann")))
    assert address("eve") == [HOME, "eve"]
    assert calls == ["ann", "eve"]
    assert address.peek("eve") == [HOME, "eve"]
    assert KeyCache(address.key("ann")).get() == [HOME, "ann"]


def test_every_way_to_store_signs_for_the_final_key(signing: Any) -> None:
    class Tagged(KeyCache[Any]):
        prefix = "signed-tagged"
        tags = ("homes",)

    for cls in (Session, Tagged, Sealed):
        c = cls("a")
        assert c.set(HOME, nx=True)
        assert c.get() == c.peek(strict=True) == c.get_ttl()[0] == HOME
        value, token = c.gets()
        assert c.cas([value], token)
        with c.edit() as homes:
            homes.append(1)
        assert c.getdel() == [HOME, 1]
        assert c.add(HOME)
        cls.set_many({("b", 1): HOME, "c": [HOME]}, ttl=60)
        assert cls.get_many([("b", 1), "c"], with_ttl=True).keys() == {("b", 1), "c"}
        assert cls("x", data=HOME).get() == HOME
        with c.writing() as w:
            w.put([HOME, 2])
        assert c.get() == [HOME, 2]
        with c.pipeline() as p:
            p.set((HOME,))
            seen = p.get()
        assert seen.value == (HOME,)


@pytest.mark.parametrize("cls", [DictCache, Vault])
def test_every_way_to_store_a_field_signs_for_it(signing: Any, cls: type[DictCache[Any, Any]]) -> None:
    d = cls("x", data={"a": HOME, 1: [HOME], "": HOME})
    assert d.to_dict() == {"a": HOME, 1: [HOME], "": HOME}
    assert d[""] == d.get("") == HOME
    assert HOME in d.values()
    assert ("a", HOME) in d.items()
    d["b"] = HOME
    assert d.setdefault("b") == HOME
    assert d.setdefault("c", [HOME]) == d.get("c") == [HOME]
    value, token = d.gets("c")
    assert d.cas("c", (value,), token)
    with d.edit(1) as homes:
        homes.append(2)
    assert d.get_many([1, "c"]) == {1: [HOME, 2], "c": ([HOME],)}
    assert d.getmany("a", "none") == [HOME, None]
    d.update({"d": HOME}, e=HOME)
    assert d.pop("d") == HOME
    d.set_many({"f": HOME})
    assert len(dict([d.popitem(), d.popitem()])) == 2
    other = cls("y", data={"z": HOME})
    d.update(other)
    assert d["z"] == HOME
    d |= {"y": HOME}
    assert d["y"] == HOME
    with d.pipeline() as p:
        p["p"] = HOME
        seen = p["p"]
    assert seen.value == HOME


def test_large_content_is_built_aside_and_signed_for_its_key(signing: Any) -> None:
    content = {n: n for n in range(5_001)} | {"home": HOME}
    d = DictCache("large", data=content)
    assert d.to_dict() == content
    assert d.copy_to("copy").to_dict() == content
    v = Vault("large", data=content)
    assert v["home"] == HOME
    assert v.to_dict() == content


def test_fields_that_are_made_when_they_are_missing_are_signed(signing: Any) -> None:
    class Homes(DictCache[str, Any]):
        prefix = "homes"
        signed = True

        def __missing__(self, field: str) -> Any:
            return [field, HOME]

    class All(DictCache[str, Any]):
        prefix = "all-homes"
        tags = ("homes",)

        def load(self) -> Any:
            return {"ann": HOME}

    assert Homes(1)["a"] == Homes(1)["a"] == ["a", HOME]
    assert All(1)["ann"] == All(1)["ann"] == HOME
    assert dict(All(1)) == {"ann": HOME}


def test_held_values_are_read_with_their_field(signing: Any) -> None:
    class Near(DictCache[str, Any]):
        prefix = "held-addresses"
        l1 = True

    @cached(ttl=60, l1=True)
    def homes(n: int) -> Any:
        return [HOME, n]

    d = Near(1, data={"a": [HOME]})
    for _ in range(4):
        assert d["a"] == [HOME]
        assert d.get("a") is not d.get("a")
        assert homes(1) == [HOME, 1]
    with no_l1():
        assert d["a"] == [HOME]


# -- copies ------------------------------------------------------------------------------------------


def test_a_copy_is_signed_for_its_own_key(signing: Any) -> None:
    new = Session("ann", data=HOME).copy_to("bob")
    assert new.get() == HOME
    assert 0 < raw("PTTL", new.key) <= 60_000
    assert raw("GET", "session.ann") != raw("GET", "session.bob")
    assert Session("nobody").copy_to("bob").get() is None
    assert not raw("EXISTS", "session.bob")
    d = DictCache("a", data={"home": HOME, "n": 1})
    assert d.copy_to("b").to_dict() == {"home": HOME, "n": 1}
    assert DictCache("none").copy_to("b").to_dict() == {}
    assert not raw("EXISTS", "b")


def test_a_copy_keeps_the_stamps_of_its_tags(signing: Any) -> None:
    class Tagged(KeyCache[Any]):
        prefix = "signed-tagged"
        tags = ("homes",)

    copy = Tagged(1, data=HOME).copy_to(2)
    assert copy.get() == HOME
    invalidate_tags("homes")
    assert copy.get() is None
    assert Tagged(1).copy_to(3).get() is None


def test_without_a_key_copies_stay_on_the_server(store: Any) -> None:
    d, c, s = DictCache("a", data={"n": 1}), KeyCache("k", data=1), SetCache("s", data={1})
    assert trips(store, lambda: d.copy_to("b")) == trips(store, lambda: c.copy_to("l")) == 1
    configure(signing_key=NEW)
    assert trips(store, lambda: s.copy_to("t")) == 1


# -- signed=True -------------------------------------------------------------------------------------


def test_every_value_of_a_signed_class_is_signed(signing: Any) -> None:
    for value in (0, 1.5, "", "text", None, b"\xc0", [1], {"a": (1,)}, HOME):
        Sealed(1).set(value)
        assert Sealed(1).get("none") == value
        assert type(Sealed(1).get()) is type(value)
        assert raw("GET", "sealed.1")[:2] == b"\xc1S"
        v = Vault(1, data={"a": value})
        assert v["a"] == value
        assert raw("HGET", "vault.1", "a")[:2] == b"\xc1S"


def test_a_signed_class_refuses_what_is_not_signed_for_this_place(signing: Any) -> None:
    Sealed(1).set(7)
    raw("SET", "sealed.2", raw("GET", "sealed.1"))
    raw("SET", "sealed.3", "7")
    assert [Sealed(n).get() for n in (1, 2, 3)] == [7, None, None]
    with pytest.raises(DecodeError, match="not signed"):
        Sealed(3).peek(strict=True)
    raw("HSET", "vault.1", "a", "7")
    with pytest.raises(DecodeError, match="not signed"):
        Vault(1)["a"]
    # A class without the attribute reads a signed value where it verifies, and only there.
    assert KeyCache("sealed", 1).get() == 7
    assert KeyCache("sealed", 2).get() is None


def test_other_serializers_are_signed_too(signing: Any) -> None:
    class Text(Sealed):
        prefix = "json"
        serializer = "json"

    Text(1).set({"a": [1]})
    assert raw("GET", "json.1")[18:] == b'{"a":[1]}'
    assert Text(1).get() == {"a": [1]}
    assert KeyCache("json", 1, serializer="json").get() == {"a": [1]}
    raw("SET", "json.2", raw("GET", "json.1"))
    raw("SET", "json.3", "[1]")
    assert Text(2).get() is None
    assert Text(3).get() is None
    assert KeyCache("json", 2, serializer="json").get() is None


def test_bytes_of_other_serializers_may_begin_like_signed_ones(signing: Any) -> None:
    class Plain:
        def dumps(self, value: bytes) -> bytes:
            return value

        def loads(self, data: bytes) -> bytes:
            return data

    c = KeyCache("plain", serializer=Plain())
    c.set(b"\xc1S and more, which nobody signed")
    assert c.get() == b"\xc1S and more, which nobody signed"


def test_functions_of_a_signed_class(signing: Any) -> None:
    calls = []

    @Sealed.cached(ttl=60, l1=False, cache_errors=(LookupError,))
    def f(n: int) -> int:
        calls.append(n)
        if n > 2:
            raise LookupError(n)
        return n

    assert [f(1), f(1), f(2)] == [1, 1, 2]
    raw("SET", f.key(1), "5")
    raw("SET", f.key(2), raw("GET", f.key(1)))
    assert [f(1), f(2)] == [1, 2]
    for _ in range(2):
        with pytest.raises(LookupError):
            f(3)
    assert calls == [1, 2, 1, 2, 3]


def test_the_class_of_a_signed_error_is_signed_too(signing: Any) -> None:
    calls = []

    @Sealed.cached(ttl=60, l1=False, cache_errors=(LookupError,))
    def f() -> None:
        calls.append(1)
        raise KeyError("a")

    for _ in range(2):
        with pytest.raises(KeyError):
            f()
    entry = raw("GET", f.key())
    assert b"\x00\x11builtins:KeyError" in entry
    raw("SET", f.key(), entry.replace(b"\x00\x11builtins:KeyError", b"\x00\x13builtins:IndexError"))
    with pytest.raises(KeyError):
        f()
    assert calls == [1, 1]


def test_arithmetic_of_signed_numbers(signing: Any) -> None:
    s = Sealed("n")
    assert s.increment() == 1
    s += 4
    assert s.increment(0.5) == s.get() == 5.5
    s.set(2**63 - 1)
    with pytest.raises(EncodeError, match="range"):
        s.increment()
    s.set("text")
    with pytest.raises(WrongTypeError, match="not a number"):
        s.increment()
    with pytest.raises(WrongTypeError):
        s.increment("1")  # type: ignore[arg-type]
    v = Vault("n")
    assert [v.increment("a"), v.increment("a", 2), v["a"]] == [1, 3, 3]
    assert Sealed("n").copy_to("m").get() == "text"
    assert v.copy_to("m").to_dict() == {"a": 3}


def test_a_signed_class_needs_a_key_when_it_is_used(store: Any) -> None:
    handle = Sealed(1)
    for use in (handle.get, lambda: handle.set(1), lambda: Vault(1)["a"], Sealed.cached(lambda: 1)):
        with pytest.raises(ConfigError, match="CACHES_SIGNING_KEY"):
            use()
    configure(signing_key=NEW)
    handle.set(1)
    assert handle.get() == 1
    assert KeyCache("a", signed=True, data=2).get() == 2


def test_keys_of_signed_values_rotate(store: Any) -> None:
    configure(signing_key=OLD)
    Sealed(1).set(1)
    configure(signing_key=f"{NEW},{OLD}")
    assert Sealed(1).get() == 1
    assert Sealed(1).copy_to(2).get() == 1
    configure(signing_key=NEW)
    assert Sealed(1).get() is None
    assert Sealed(2).get() == 1


@pytest.mark.parametrize("cls", [SetCache, SortedSetCache, CounterCache])
def test_types_without_values_cannot_be_signed(cls: Any) -> None:
    with pytest.raises(ConfigError, match="only values can be signed"):
        type("Signed", (cls,), {"signed": True})
    with pytest.raises(ConfigError, match="only values can be signed"):
        cls("a", signed=True)
    assert cls("a", signed=False).signed is False


def test_plain_text_cannot_be_signed(signing: Any) -> None:
    with pytest.raises(ConfigError, match="serialize=False"):
        type("Signed", (KeyCache,), {"signed": True, "serialize": False})
    with pytest.raises(ConfigError, match="serialize=False"):
        type("Plain", (Sealed,), {"serialize": False})
    with pytest.raises(ConfigError, match="serialize=False"):
        Sealed(1, serialize=False).get()
    with pytest.raises(ConfigError, match="True or False"):
        type("Signed", (KeyCache,), {"signed": "yes"})
