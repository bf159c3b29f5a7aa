"""A time limit that strikes inside the codec reaches the caller as what it is: neither unreadable bytes nor a refusal.

A signal handler raises wherever the program is. Its exception may be of any class, so its class does not tell it
from an error of the decoder.
"""

from __future__ import annotations

import gc
import pickle
import signal
import threading
import time
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from ipaddress import IPv4Address
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import DecodeError, EncodeError, KeyCache
from rcollections.values import Codec
from rcollections.values.interruptions import may_be_interrupted, pass_on
from rcollections.values.signing import Keyring

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers on this system")


class Late(Exception):
    """As celery's and RQ's time limits: a plain Exception."""


class LateValue(ValueError):
    """A time limit that looks like an error of a decoder."""


@contextmanager
def handling(handler: Any) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, handler)
    # Callbacks of the collector (hypothesis has one) could be where a handler raises, and Python drops that.
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def interrupted(call: Callable[[], Any], error: type[Exception], wanted: int = 40) -> None:
    """Interrupt the call at many instants, spread over the time that it takes; nothing but ``error`` comes out."""

    def handler(_number: int, _frame: object) -> None:
        raise error("time is up")

    times = []
    for _ in range(5):  # the quickest: one that was held up would put all instants behind the call
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    took = max(min(times), 5e-5)
    cut, end = 0, time.monotonic() + 30
    with handling(handler):
        for n in count():
            try:
                signal.setitimer(signal.ITIMER_REAL, took * (n % 50 + 1) / 50)
                call()
                signal.setitimer(signal.ITIMER_REAL, 0)
            except error as raised:
                assert str(raised) == "time is up"  # noqa: PT017
                cut += 1
            if cut >= wanted:
                return
            assert time.monotonic() < end, f"interrupted only {cut} times"


ROWS = [{"n": n, "at": datetime(2026, 1, 1, n % 24), "price": Decimal(n), "pair": (n, "a")} for n in range(300)]
SCALARS = [[date(2026, 1, 1 + n % 28), Decimal(n)] for n in range(500)]
KEYS = Keyring(["a key that is long enough"])
VALUES = {
    "rows": ROWS,
    "scalars": SCALARS,
    "addresses": [IPv4Address(n) for n in range(500)],
    "deep": [[[(1,)] * 9] * 9],
}


# Where it strikes while an object ends, Python drops it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("error", [Late, LateValue])
@pytest.mark.parametrize("name", VALUES)
def test_large_values(name: str, error: type[Exception]) -> None:
    codec, value = Codec(keyring=KEYS), VALUES[name]
    data = codec.dumps(value)
    interrupted(lambda: codec.dumps(value), error)
    interrupted(lambda: codec.loads(data), error)


class Slow:
    """A serializer of a user, in Python."""

    def dumps(self, value: Any) -> bytes:
        for _ in range(300):
            str(value)
        return pickle.dumps(value)

    def loads(self, data: bytes) -> Any:
        for _ in range(300):
            bytes(data)
        return pickle.loads(data)


@pytest.mark.parametrize("serializer", [Slow(), "json", "pickle"], ids=["own", "json", "pickle"])
def test_serializers(serializer: Any) -> None:
    codec, value = Codec(serializer, keyring=KEYS), [{"n": n} for n in range(2_000)]
    data = codec.dumps(value)
    interrupted(lambda: codec.dumps(value), Late)
    interrupted(lambda: codec.loads(data), Late)


class StruckOnce:
    """A serializer that a signal strikes when it reads for the second time."""

    reads = 0

    def dumps(self, value: Any) -> bytes:
        return pickle.dumps(value)

    def loads(self, data: bytes) -> Any:
        self.reads += 1
        if self.reads == 2:
            signal.raise_signal(signal.SIGALRM)
        return pickle.loads(data)


def test_a_time_limit_in_a_read_is_no_miss(store: Any) -> None:
    calls = []

    class Struck(KeyCache[Any]):
        prefix = "struck"

        def __init__(self, *parts: object, **options: Any) -> None:
            super().__init__(*parts, serializer=StruckOnce(), **options)

    class Rows(KeyCache[Any]):
        prefix = "rows"
        serializer = StruckOnce()

    @Rows.cached(ttl=60, l1=False)
    def rows() -> Any:
        calls.append(1)
        return [1]

    k = Struck("a")
    k.set([1])
    with handling(HANDLERS["a_lambda"](LateValue)):
        assert k.peek() == rows() == [1]
        for call in (k.peek, rows):
            with pytest.raises(LateValue):
                call()
        assert k.peek() == rows() == [1]
    assert calls == [1]


HANDLERS: dict[str, Callable[[type[Exception]], Any]] = {}


def handler_of(maker: Callable[[type[Exception]], Any]) -> Callable[[type[Exception]], Any]:
    HANDLERS[maker.__name__] = maker
    return maker


@handler_of
def a_lambda(error: type[Exception]) -> Any:
    return lambda *_: _raise(error)


@handler_of
def a_method(error: type[Exception]) -> Any:
    class Limit:
        def strike(self, number: int, frame: object, *, why: str = "") -> None:
            _raise(error)

    return Limit().strike


@handler_of
def one_that_restores_the_former(error: type[Exception]) -> Any:
    def strike(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        raise error

    return strike


@handler_of
def one_that_wraps(error: type[Exception]) -> Any:
    def strike(_number: int, _frame: object) -> None:
        try:
            {}["missing"]
        except KeyError as missing:
            raise error from missing

    return strike


def _raise(error: type[Exception]) -> Any:
    raise error


class Struck:
    """Its pickle, and its serializer, are struck by a signal in the middle."""

    def __reduce__(self) -> Any:
        signal.raise_signal(signal.SIGALRM)
        return Struck, ()

    def dumps(self, value: Any) -> bytes:
        signal.raise_signal(signal.SIGALRM)
        return b""

    def loads(self, data: bytes) -> Any:
        try:
            signal.raise_signal(signal.SIGALRM)
        except Exception as error:
            raise ValueError("cannot read") from error  # it hides what struck it


@pytest.mark.parametrize("error", [Late, LateValue, LookupError, RuntimeError, TypeError])
@pytest.mark.parametrize("kind", HANDLERS)
def test_handlers_of_all_kinds(kind: str, error: type[Exception]) -> None:
    for call in (
        lambda: Codec(keyring=KEYS).dumps([Struck()]),
        lambda: Codec(Struck()).dumps(1),
        lambda: Codec(Struck()).loads(b""),
    ):
        with handling(HANDLERS[kind](error)), pytest.raises(error) as caught:
            call()
        assert type(caught.value) is error


@pytest.mark.parametrize("error", [ValueError, KeyError, TypeError, RuntimeError, OSError, Late])
def test_an_error_of_the_serializer_is_unreadable(error: type[Exception]) -> None:
    """With a handler installed too, and in a serializer that handles frames."""

    class Broken:
        def dumps(self, value: Any, frame: Any = None) -> bytes:
            raise error

        def loads(self, data: bytes) -> Any:
            raise error

    with handling(lambda *_: None):
        with pytest.raises(DecodeError):
            Codec(Broken()).loads(b"1")
        with pytest.raises(EncodeError):
            Codec(Broken()).dumps(1)
        for wrong in (b"\xc1m\x91", b"\xc1m\x91\xc7\x01?a", b"\xc1(\x91\xc7\x01?a", b"\xc1m\x91\xd4Tx"):
            with pytest.raises(DecodeError):
                Codec().loads(wrong)


def test_other_threads_are_not_asked() -> None:
    seen: list[bool] = []
    with handling(lambda *_: None):
        assert may_be_interrupted()
        thread = threading.Thread(target=lambda: seen.append(may_be_interrupted()))
        thread.start()
        thread.join()
        codec = Codec()
        for value in (ROWS, SCALARS, [[(1,)]], {"a": {1: {2}}}):
            assert codec.loads(codec.dumps(value)) == value
    assert seen == [False]


def test_a_circle_of_causes_ends() -> None:
    one, other = ValueError(), ValueError()
    one.__cause__, other.__cause__ = other, one
    assert pass_on(one) is None
