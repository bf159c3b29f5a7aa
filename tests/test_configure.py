"""Where connections come from: the environment on first use, ``configure()``, or nothing at all."""

from __future__ import annotations

import pickle
import warnings
from typing import TYPE_CHECKING, Any

import pytest

import rcollections
from rcollections import ConfigError, EncodeError, KeyCache, configure, connection, connections
from rcollections.servers import registry

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """No connection, no variable."""
    for name in ("CACHES_DSN", "CACHES_DSN_1", "CACHES_DSN_2", "CACHES_STRICT", "CACHES_DISABLE", "CACHES_SIGNING_KEY"):
        monkeypatch.delenv(name, raising=False)
    registry.reset()
    yield monkeypatch
    registry.reset()


def test_nothing_configured_is_memory_said_once() -> None:
    """The first use warns, the second does not."""
    with pytest.warns(UserWarning, match="CACHES_DSN") as told:
        KeyCache("k").set(1)
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert KeyCache("k").get() == 1


def test_strict_wants_a_server(unconfigured: pytest.MonkeyPatch) -> None:
    """CACHES_STRICT=1 makes the same situation an error."""
    unconfigured.setenv("CACHES_STRICT", "1")
    with pytest.raises(ConfigError, match="CACHES_STRICT"):
        KeyCache("k").set(1)


def test_the_environment_is_read_on_first_use(unconfigured: pytest.MonkeyPatch) -> None:
    """Several variables, each with its name."""
    unconfigured.setenv("CACHES_DSN", "memory://a")
    unconfigured.setenv("CACHES_DSN_1", "memory://b#sessions")
    assert {name: each.dsn.host for name, each in connections().items()} == {"": "a", "sessions": "b"}

    class Session(KeyCache[int]):
        connection_name = "sessions"

    Session("x").set(1)
    assert not KeyCache("x").exists()
    assert KeyCache("x", connection_name="sessions").exists()


def test_a_single_connection_is_the_default_whatever_its_name() -> None:
    """``#sessions`` alone serves classes that name none."""
    configure("memory://#sessions")
    KeyCache("x").set(1)
    assert connection("sessions") is connection()
    configure("memory://other#more")
    with pytest.raises(ConfigError, match="sessions"):
        KeyCache("x").get()


def test_an_unknown_name_lists_the_known_ones() -> None:
    """The error tells what could have been meant."""
    configure({"default": "memory://", "sessions": {"dsn": "memory://s", "timeout": 0.5}})
    assert connection("sessions").dsn.timeout == 0.5
    with pytest.raises(ConfigError, match="sessions"):
        KeyCache("x", connection_name="session").get()


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"a": "memory://", "b": "memory://x"},
        {"default": {"dsn": "memory://", "tmeout": 1}},
        {"default": {"timeout": 1}},
        {"default": 5},
        "nonsense",
        5,
    ],
)
def test_what_cannot_be_configured_changes_nothing(wrong: Any) -> None:
    """A ConfigError comes before anything is changed."""
    configure("memory://")
    KeyCache("k").set(1)
    with pytest.raises(ValueError):
        configure(wrong)
    assert KeyCache("k").get() == 1


def test_configure_needs_something() -> None:
    """No arguments, or options without a DSN, are an error."""
    with pytest.raises(ConfigError):
        configure()
    with pytest.raises(ConfigError, match="timeout"):
        configure(timeout=1)


def test_configuring_again_replaces_the_connection() -> None:
    """Handles made before follow; the same DSN again changes nothing."""
    handle = KeyCache[int]("k")
    configure("memory://one")
    handle.set(1)
    before = connection()
    configure("memory://one")
    assert connection() is before
    configure("memory://two?namespace=app")
    assert handle.get() is None
    assert handle.key == "app.k"
    configure("memory://one")
    assert handle.get() == 1


def test_options_of_configure() -> None:
    """Keyword options stand for the DSN's, checked alike."""
    configure("memory://", namespace="app", timeout=0.25)
    assert connection().dsn.timeout == 0.25
    with pytest.raises(ConfigError, match="tiemout"):
        configure("memory://", tiemout=1)


class Opaque:
    """Nothing that the codec carries by itself."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Opaque) and other.n == self.n

    __hash__ = None  # type: ignore[assignment]


def test_pickle_needs_a_signing_key(unconfigured: pytest.MonkeyPatch) -> None:
    """Without a key the error says how; with one it works, and other keys are refused."""
    configure("memory://")
    with pytest.raises(EncodeError, match="CACHES_SIGNING_KEY"):
        KeyCache("o").set(Opaque(1))
    configure(signing_key="k" * 20)
    KeyCache("o").set(Opaque(1))
    assert KeyCache("o").get() == Opaque(1)
    configure(signing_key="n" * 20 + "," + "k" * 20)
    assert KeyCache("o").get() == Opaque(1)
    configure(signing_key="n" * 20)
    assert KeyCache("o").get("unreadable") == "unreadable"
    registry.reset()
    unconfigured.setenv("CACHES_DSN", "memory://")
    unconfigured.setenv("CACHES_SIGNING_KEY", "short")
    with pytest.raises(ConfigError) as caught:
        KeyCache("o").set(Opaque(1))
    assert "short'" not in str(caught.value)


def test_a_raw_pickle_on_the_server_is_never_loaded() -> None:
    """Unsigned bytes are a miss, whatever they would do."""
    configure("memory://", signing_key="k" * 20)
    for data in (pickle.dumps(Opaque(1)), b"\xc1" + pickle.dumps(Opaque(1)), b"\xc0abc", b"\xff", b"\x80\x05"):
        connection().raw("SET", "o", data)
        assert KeyCache("o").get("miss") == "miss"
        with pytest.raises(rcollections.DecodeError, match="'o'"):
            KeyCache("o").peek(strict=True)
        with pytest.raises(rcollections.CacheMissError):
            KeyCache("o").peek()


def test_l1_options_are_accepted() -> None:
    """L1 comes later; its options are checked already."""
    configure("memory://?l1=off&l1_entries=10&l1_bytes=1mb&staleness=0.5")
    assert connection().dsn.l1_bytes == 1 << 20
    assert KeyCache("k", l1=True).get() is None


@pytest.mark.parametrize("scheme", ["redis+cluster", "rediss+cluster"])
def test_clusters_are_refused_for_now(scheme: str) -> None:
    """Recognised, and said clearly."""
    with pytest.raises(ConfigError, match="cluster|Cluster"):
        configure(f"{scheme}://:pw@h1:26379,h2:26379/mymaster/0")
