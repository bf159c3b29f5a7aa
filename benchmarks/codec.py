"""What values cost: MessagePack libraries against pickle, then our codec, fields and signatures.

Run: ``python benchmarks/codec.py``. Times are microseconds, the best of several rounds, on one core.
The table of exactness says what each library does, alone, with what it does not know.
"""

from __future__ import annotations

import pickle
import platform
import sys
import zlib
from collections import OrderedDict
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from timeit import Timer
from typing import TYPE_CHECKING, Any

import ormsgpack

try:  # the candidates that were not chosen are not needed to run the library
    import msgpack
    import msgspec
except ImportError:
    msgpack = msgspec = None

sys.path.insert(0, str(Path(__file__).parent.parent))

from rcollections.values import Codec, decode_field, encode_exact, encode_field
from rcollections.values.packing import STRICT
from rcollections.values.signing import Keyring

if TYPE_CHECKING:
    from collections.abc import Callable

ROW: dict[str, Any] = {f"field{i}": (f"value {i}", i * 1000, i / 7, None)[i % 4] for i in range(20)}
VALUES: dict[str, Any] = {
    "int": 123456,
    "str": "some text of 24 letters.",
    "dict of 20": ROW,
    "tuple": (1, "two", 3.0),
    "dict + datetime": {**ROW, "at": datetime(2026, 1, 2, tzinfo=UTC), "sum": Decimal("1.10")},
    "list of 1000": list(range(0, 100_000, 100)),
}


def best(call: Callable[[], object]) -> float:
    timer = Timer(call)
    number, taken = timer.autorange()
    number = max(1, int(number * 0.05 / taken))
    return min(timer.repeat(7, number)) / number * 1e6


def pair(dumps: Callable[[Any], bytes], loads: Callable[[bytes], Any], value: Any) -> str:
    try:
        data = dumps(value)
        loads(data)
    except Exception:
        return f"{'refused':>20}"
    return f"{best(lambda: dumps(value)):8.2f} /{best(lambda: loads(data)):6.2f} {len(data):>4}"


def codecs() -> dict[str, tuple[Callable[[Any], bytes], Callable[[bytes], Any]]]:
    codec = Codec()
    found: dict[str, tuple[Callable[[Any], bytes], Callable[[bytes], Any]]] = {
        "pickle 5": (lambda value: pickle.dumps(value, 5), pickle.loads),
        "ormsgpack": (lambda value: ormsgpack.packb(value, None, STRICT), ormsgpack.unpackb),
    }
    if msgpack is not None:
        packer = msgpack.Packer(strict_types=True)
        found["msgpack strict"] = (packer.pack, lambda data: msgpack.unpackb(data, strict_map_key=False))
        found["msgspec"] = (msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder().decode)
    found["our codec"] = (codec.dumps, codec.loads)
    return found


class Text(str):
    __slots__ = ()


class Number(IntEnum):
    ONE = 1


def exactness() -> None:
    """What comes back of things that MessagePack has no type for: itself, refused, or something else."""
    cases = {
        "tuple": (1, 2),
        "set": {1, 2},
        "2**70": 2**70,
        "str subclass": Text("a"),
        "... as a key": {Text("a"): 1},
        "IntEnum": Number.ONE,
        "OrderedDict": OrderedDict(a=1),
        "bytearray": bytearray(b"x"),
        "dict, int key": {1: 2},
        "surrogate": "\ud800",
    }
    print(f"\n{'':16}" + "".join(f"{name:>18}" for name in codecs()))
    for title, value in cases.items():
        cells = []
        for dumps, loads in codecs().values():
            try:
                back = loads(dumps(value))
            except Exception:
                cells.append("refused")
                continue
            keys_too = not isinstance(value, dict) or [type(key) for key in back] == [type(key) for key in value]
            cells.append("exact" if type(back) is type(value) and back == value and keys_too else "DEGRADED")
        print(f"{title:16}" + "".join(f"{cell:>18}" for cell in cells))


def main() -> None:
    print(f"Python {platform.python_version()}, ormsgpack {ormsgpack.__version__}, {platform.machine()}")
    print(f"\n{'dumps / loads us':16}" + "".join(f"{title:>21}" for title in VALUES))
    for name, (dumps, loads) in codecs().items():
        print(f"{name:16}" + "".join(f" {pair(dumps, loads, value):>20}" for value in VALUES.values()))
    exactness()

    print("\nfields (encode / decode us)")
    for title, field in {"str": "user:123:name", "int": 123456, "tuple": (1, "a"), "float": 1.5}.items():
        data = encode_field(field)
        print(f"  {title:10}{best(lambda f=field: encode_field(f)):8.3f} /{best(lambda d=data: decode_field(d)):7.3f}")
    print(f"  exact form of (1, 'a'): {best(lambda: encode_exact((1, 'a'))):.2f}")

    keys = Keyring(["k" * 32])
    row = pickle.dumps(ROW, 5)
    signed = keys.sign(row)
    sign, verify = best(lambda: keys.sign(row)), best(lambda: keys.verified(signed))
    print(f"\nsign / verify {len(row)} bytes: {sign:.2f} / {verify:.2f}")
    text = " ".join(f"word{i * 7919 % 1000}" for i in range(1400))
    squeezed = Codec(compress_above=2048)
    data = squeezed.dumps(text)
    print(
        f"compress / decompress {len(text)} bytes of text: {best(lambda: squeezed.dumps(text)):.0f} / "
        f"{best(lambda: squeezed.loads(data)):.0f} ({len(data)} bytes; zlib {len(zlib.compress(text.encode(), 1))})"
    )


if __name__ == "__main__":
    main()
