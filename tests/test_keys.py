"""How keys are made: any text is a part, two lists of texts share no key, and nobody reaches what is not his."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from redis.crc import key_slot

from rcollections import (
    ConfigError,
    CounterCache,
    DictCache,
    Key,
    KeyCache,
    SetCache,
    SortedSetCache,
    cached,
    connection,
    invalidate_tags,
)
from rcollections.plans import naming
from rcollections.plans.parts import join, whole
from rcollections.testing import Server, isolated

TYPES: list[Any] = [KeyCache, DictCache, SetCache, SortedSetCache, CounterCache]

texts = st.text(alphabet=st.one_of(st.sampled_from(".{}()\\nx\n\r\t\0\x7f\ud800:_rcltgs"), st.characters()), min_size=1)
prefixes = st.sampled_from(["", "p", "shop.user", "a{tag}", "{tag}", "rc", "r", "fn:"])
namespaces = st.sampled_from(["", "app", "www", "r", "a.b"])


@pytest.mark.parametrize(
    ("part", "written"),
    [
        ("{", r"\("),
        ("a}", r"a\)"),
        ("{a}", r"\(a\)"),
        ("(", r"\x28"),
        (")", ")"),
        ("a\nb\r\t", r"a\nb\r\t"),
        ("\0\x01\x7f", r"\x00\x01\x7f"),
        ("\ud800", r"\ud800"),
        ("\\n", r"\\n"),
        ("report.pdf", "report.pdf"),
        ("Zoë 東京 😀", "Zoë 東京 😀"),
        ("rc:t:users", "rc:t:users"),
    ],
)
def test_any_text_is_a_part(fresh: Any, part: Any, written: str) -> None:
    """With a prefix or other parts, whatever a user typed; for every type the same."""
    for cls in TYPES:
        assert cls(part, prefix="pre").key == f"pre.{written}"
        assert cls("a", part).key == f"a.{written}"
        assert cls(part, "z").key.startswith(
            r"\x72c:" if written.startswith("rc:") else written.replace(".", r"\.")[:9]
        )


def test_ints_of_any_size_are_parts(fresh: Any) -> None:
    """Python does not write the largest ones in decimal."""
    assert KeyCache("a", 10**30).key == f"a.{10**30}"
    keys = {KeyCache("a", each).key for each in (10**5000, 10**5000 + 1, -(10**5000), 16**5000)}
    assert len(keys) == 4
    assert all(key.startswith(("a.0x", "a.-0x")) for key in keys)


def test_dots_between_parts_and_inside_of_them_are_two_things(fresh: Any) -> None:
    """The last part keeps its dots, so that names of files stay readable."""
    assert KeyCache("a.b", "c").key == r"a\.b.c"
    assert KeyCache("a", "b.c").key == "a.b.c"
    assert KeyCache("a.b", "", prefix="p").key == "p.a.b"


@pytest.mark.parametrize("key", ["{", "a}", "{}", "{a}{b}", "a\nb", "\0", "\x7f", "rc:t:users", "rc:"])
def test_a_single_text_without_prefix_is_the_key_itself(fresh: Any, key: str) -> None:
    """So it has to be one; with a prefix it would be a part."""
    with pytest.raises(ValueError, match="key"):
        KeyCache(key)
    assert KeyCache(key, prefix="p").key.startswith("p.")
    assert KeyCache("{user}.1").key == "{user}.1"
    assert KeyCache("a(b)\\").key == r"a\x28b)\\"


def test_a_key_is_complete_and_a_text_is_not(fresh: Any) -> None:
    """``KeyCache(other.key)`` is the same key, pickled and copied too; a text that looks like it is another."""
    with isolated("memory://?namespace=www"):
        one, two = KeyCache("example.com", data="A"), KeyCache("www.example.com", data="B")
        assert (one.key, two.key) == ("www.example.com", "www.www.example.com")
        assert (one.data, two.data) == ("A", "B")
        assert type(one.key) is Key
        for key in (one.key, pickle.loads(pickle.dumps(one.key)), copy.copy(one.key), copy.deepcopy(one.key)):
            assert KeyCache(key).data == "A"
            assert KeyCache(key).key == one.key
        again = pickle.loads(pickle.dumps(KeyCache(one.key)))
        assert (again.key, again.data) == (one.key, "A")
        assert KeyCache(one.key, prefix="p").key == "www.p.www.example.com", "under a prefix it is a part"
        assert KeyCache(str(one.key)).key == "www.www.example.com"
        assert (one.copy_to(two.key).data, two.data) == ("A", "A")
        one.set("A")
        assert KeyCache(one.key).expire(5)


def test_at_takes_the_key_of_a_log_or_a_command_line(store: Any) -> None:
    """As the server has it; for every type, with overrides, and whatever its class demands of ``__init__``."""

    class Own(DictCache[str, int]):
        prefix = "own"

        def __init__(self, name: str, *, level: int) -> None:
            super().__init__(name, level)

    d = Own("x{y}\n", level=3)
    d["a"] = 1
    assert d.key == r"own.x\(y\)\n.3"
    assert Own.at(str(d.key)).to_dict() == {"a": 1}
    store.raw("SET", "x{a}{b}\nfoo", "7")
    assert KeyCache.at("x{a}{b}\nfoo", ttl=5).data == 7
    assert KeyCache.at("x{a}{b}\nfoo").increment() == 8
    for wrong in ("", "rc:t:users", "a}b", "{}x"):
        with pytest.raises(ValueError, match="at"):
            KeyCache.at(wrong)
    with pytest.raises(TypeError, match="at"):
        KeyCache.at(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="tll"):
        KeyCache.at("x", tll=5)


def test_the_prefix_of_a_handle_cannot_change(fresh: Any) -> None:
    """Its key is made: a new prefix would be silently without effect."""
    c = KeyCache("x")
    with pytest.raises(AttributeError, match="another handle"):
        c.prefix = "p"
    assert c.key == "x"
    assert KeyCache("x", prefix="p").key == "p.x"


@pytest.mark.parametrize("prefix", ["a\\b", "rc:t", "a\nb", "a{b", "{}", "{a}{b}", "\u200b", 5])
def test_wrong_prefixes_are_named(fresh: Any, prefix: Any) -> None:
    """When the class is defined, and for overrides."""
    with pytest.raises(ConfigError, match="prefix"):
        type("Wrong", (KeyCache,), {"prefix": prefix})
    with pytest.raises(ConfigError, match="prefix"):
        KeyCache("x", prefix=prefix)


def test_wrong_namespaces_are_named() -> None:
    """They stand first in every key."""
    for wrong in ("a%5Cb", "rc:x", "a%7Bb%7D"):
        with pytest.raises(ConfigError, match="namespace"), isolated(f"memory://?namespace={wrong}"):
            pass


def test_a_prefix_that_continues_another_is_told(fresh: Any) -> None:
    """``clean()`` of the shorter one removes the other's keys, and ``("admin", 1)`` is a key of both."""

    class Person(KeyCache[int]):
        prefix = "continued"

    with pytest.warns(UserWarning, match=r"Admin has the prefix 'continued\.admin'.*Person has 'continued'"):

        class Admin(KeyCache[int]):
            prefix = "continued.admin"

    class Same(DictCache[int, int]):
        prefix = "continued"

    class Elsewhere(KeyCache[int]):
        prefix = "continued.elsewhere"
        connection_name = "sessions"

    class Near(KeyCache[int]):
        prefix = "continued_near"

    assert len({Person, Admin, Elsewhere, Near, Same}) == 5  # all alive until here


@given(st.integers(1, 4).flatmap(lambda n: st.tuples(*[st.lists(texts, min_size=n, max_size=n)] * 2)), prefixes)
@example((["a.b", "c"], ["a", "b.c"]), "")
@example((["\\", "."], ["\\.", "x"]), "p")
@example((["{a}"], ["\\(a\\)"]), "")
@example((["rc:a", "b"], ["\\x72c:a", "b"]), "")
def test_two_lists_of_texts_share_no_key(two: tuple[list[str], list[str]], prefix: str) -> None:
    """Of one length and without empty texts, keys are one if and only if the texts are."""
    one, other = two
    keys = [whole(parts[0]) if len(parts) == 1 and not prefix else join("K", prefix, parts) for parts in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)


@given(st.lists(texts, min_size=1, max_size=3), prefixes, namespaces, texts)
def test_no_list_of_texts_reaches_what_is_not_a_users_key(
    parts: list[str], prefix: str, namespace: str, name: str
) -> None:
    """Not a tag's, a lease's or a guard's key, and no function's: its parenthesis is in no part."""
    own = whole(parts[0]) if len(parts) == 1 and not prefix else join("K", prefix, parts)
    key = naming.namespaced(namespace, own)
    assert key != naming.tag(namespace, name)
    assert not key.startswith(tuple(naming.beside(namespace, kind) for kind in "lgstw"))
    assert not re.search(r"(?<!\\)\(", own), "an opening parenthesis that is no escaped brace is a function's"
    for heard in naming.heard(namespace, prefix or own[:2]):
        assert not any(naming.beside(namespace, kind).startswith(heard) for kind in "lgsk")


@given(st.lists(texts, min_size=1, max_size=3), prefixes, namespaces)
def test_what_stands_beside_a_key_is_in_its_slot(parts: list[str], prefix: str, namespace: str) -> None:
    """By the rule of the server, as another library has it."""
    own = whole(parts[0]) if len(parts) == 1 and not prefix else join("K", prefix, parts)
    key = naming.namespaced(namespace, own)
    there = key_slot(key.encode())
    for beside in (naming.lease(namespace, key), naming.guard(namespace, key), naming.staging(namespace, key)):
        assert key_slot(beside.encode()) == there
        assert beside.startswith(f"{namespace}.rc:" if namespace else "rc:")


def test_the_server_agrees_about_slots() -> None:
    """Asked itself, for keys of all shapes."""
    keys = ["a", "{a}b", "x{a}y", "a{b", "a{}b", "{a", "p.(x", r"p.\(x\)", "app.user.{7}.x"]
    with Server("valkey", config={"cluster-enabled": "yes"}) as server, server.client() as bare:
        slot = lambda key: bare.execute_command("CLUSTER", "KEYSLOT", key)  # noqa: E731
        for key in keys:
            if key != "a{}b":  # no handle has this key: ``at`` refuses it
                assert slot(naming.lease("app", key)) == slot(key) == slot(naming.guard("", key))
            assert slot(f"{{{naming.slot(key)}}}") == slot(key) or "}" in naming.slot(key)


@given(texts, texts)
@example("x" * 300, "x" * 299 + "y")
@example("\\~", "\\")
def test_tags_are_one_if_and_only_if_they_are_equal(one: str, other: str) -> None:
    """Any text: long ones end in a digest."""
    keys = [naming.tag("app", each) for each in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)
    assert len(naming.tag("app", one * 200).encode()) < 300
    assume(one != other)
    assert naming.tag("app", one * 200) != naming.tag("app", other * 200) or one * 200 == other * 200


def test_a_long_tag_reads_in_redis_cli() -> None:
    """Its head."""
    tag = naming.tag("", "article:" + "x" * 500)
    assert tag.startswith(r"rc:t:article:" + "x" * 24 + r"\~")


@pytest.mark.parametrize("tag", ["caf\udce9", "x" * 5_000, "two\nlines", "{a}{b}", "é" * 150, "rc:t:a", " "])
def test_any_text_is_a_tag(store: Any, tag: str) -> None:
    """Of functions, values and collections."""
    calls: list[int] = []

    @cached(ttl=60, tags=lambda: (tag,))
    def f() -> int:
        calls.append(1)
        return len(calls)

    class Tagged(DictCache[str, int]):
        prefix = "tagged"
        tags = (tag,)

    d, k = Tagged(data={"a": 1}), KeyCache("k", tags=(tag,))
    k.set(1)
    assert (f(), f(), d.to_dict(), k.data) == (1, 1, {"a": 1}, 1)
    invalidate_tags(tag)
    assert (f(), d.to_dict(), k.data) == (2, {}, None)


def test_with_one_pattern_a_user_can_do_everything(server: Server) -> None:
    """``~app.* &app.*``: keys, leases, guards, tags, staging keys, wake-ups and L1 are inside the namespace."""
    with server.client() as bare:
        bare.execute_command("ACL", "SETUSER", "app", "on", ">secret12", "~app.*", "resetchannels", "&app.*", "+@all")
        bare.config_set("notify-keyspace-events", "")
    dsn = server.dsn.replace("unix://", "unix://app:secret12@").replace("redis://", "redis://app:secret12@")
    with isolated(f"{dsn}?namespace=app"):

        class Tagged(DictCache[int, int]):
            prefix = "tagged"
            tags = ("t",)
            l1 = True

        class Held(KeyCache[int]):
            l1 = True

        class Loads(DictCache[int, int]):
            prefix = "loads"

            def load(self) -> dict[int, int]:
                return {1: 1}

        calls: list[int] = []

        @cached(ttl=60, tags=("t",))
        def f(n: int) -> int:
            calls.append(n)
            return n

        assert (f(1), f(1), calls) == (1, 1, [1])
        assert f.cache_info().errors == 0
        with f.writing(1) as w:
            w.put(5)
        assert f(1) == 5
        Tagged(1, data={1: 1})
        assert Tagged(1).to_dict() == {1: 1}
        assert Loads("x")[1] == 1
        DictCache("big", data={n: n for n in range(6_000)})
        SetCache("big set", data=range(6_000))
        SortedSetCache("big sorted set", data={str(n): n for n in range(6_000)})
        SetCache("union").update(SetCache("big set"))
        Held("held").set(1)
        assert Held("held").data == 1
        KeyCache("n").increment()
        with DictCache("piped").pipeline() as p:
            p[1] = 2
        invalidate_tags("t")
        Tagged.clean()
        f.clear()
        names = connection().raw("KEYS", "app.*")
        assert len(names) > 5
    with server.client() as bare:
        assert all(name.startswith(b"app.") for name in bare.keys("*"))
        bare.execute_command("ACL", "DELUSER", "app")
