"""Iterating a dict of a million fields: how long it takes, and how much memory it needs at most.

Run: ``python benchmarks/iterating.py [--quick] [--server redis]``. The goal: less than 50 MB of growth.
Each way runs in a process of its own, which compares its highest resident memory with what it had before; the
content is made on the server, so that no client has held it.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import options, start, table

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = ("", "s", "growth MB", "items")

# Values are ints, which ours and redis-py read as they are; the peers would want their own format.
FILL = """
for n = 0, ARGV[1] - 1, 1000 do
  local list = {}
  for i = n, n + 999 do list[#list + 1] = 'field:' .. i; list[#list + 1] = tostring(i) end
  redis.call('HSET', KEYS[1], unpack(list))
end
"""


def our_items(_: Any) -> Any:
    from rcollections import DictCache

    return DictCache("big").items()


def our_fields(_: Any) -> Any:
    from rcollections import DictCache

    return iter(DictCache("big"))


def hscan_iter(client: Any) -> Any:
    return client.hscan_iter("big", count=1000)


def hgetall(client: Any) -> Any:
    return client.hgetall("big").items()


WAYS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "hscan_iter": ("redis-py hscan_iter(count=1000)", hscan_iter),
    "hgetall": ("redis-py hgetall", hgetall),
    "our_items": ("**DictCache.items()**", our_items),
    "our_fields": ("**for field in DictCache**", our_fields),
}


def main() -> None:
    if len(sys.argv) == 4 and sys.argv[1] == "--one":
        return print(json.dumps(one(sys.argv[2], sys.argv[3])))
    with start(options("Iterating a million fields.")) as bench:
        fields = 100_000 if bench.quick else 1_000_000
        bench.client.eval(FILL, 1, "big", fields)
        rows = []
        for way, (title, _) in WAYS.items():
            command = [sys.executable, __file__, "--one", way, bench.server.dsn]
            out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            took, grown, items = json.loads(out)
            rows.append([title, f"{took:.2f}", f"{grown:.1f}", f"{items:,}"])
        table(f"Iterating {fields:,} fields, each way in a process of its own", HEAD, rows)
    return None


def one(way: str, dsn: str) -> tuple[float, float, int]:
    """In the child: seconds, MB by which the highest resident memory is above that before, items."""
    import redis

    from rcollections import DictCache, configure

    configure(dsn)
    client = redis.Redis.from_url(dsn)
    client.ping()
    for _ in DictCache("small", data={"a": 1}).items():
        pass  # imports and the connection are no growth
    before = resident("VmRSS")
    began = time.perf_counter()
    count = 0
    for _ in WAYS[way][1](client):
        count += 1
    return time.perf_counter() - began, resident("VmHWM") - before, count


def resident(line: str) -> float:
    """Resident memory in MB: ``VmRSS`` now, ``VmHWM`` the most that this program had.

    Not ``ru_maxrss`` where it can be helped: Linux carries that over from the process that started this
    one, and growth below the parent's size would not show.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = next(each for each in status.read_text().splitlines() if each.startswith(f"{line}:"))
        return int(found.split()[1]) / 1e3
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most / 1e3


if __name__ == "__main__":
    main()
