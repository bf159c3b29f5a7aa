"""What it costs that a plain write drops the lease in the same step (rule P4 of docs/protocol.md).

Run: ``python benchmarks/plain_writes.py [--quick] [--unix] [--free] [--server redis]``. ``KeyCache.set`` of a small
value with a ttl, as it is and with ``computed=False`` (a bare SET), beside other forms that the one step could have.
"""

from __future__ import annotations

from harness import Case, measure, options, start, table, usual

from rcollections import KeyCache, connection
from rcollections.plans.effects import Command, Script

HEAD = ("", "us", "ratio", "CPU us", "ratio")
KEY, LEASE = "computed.tea", "rc:l:{computed.tea}"


class Computed(KeyCache[str]):
    prefix = "computed"
    ttl = 60


class Bare(KeyCache[str]):
    prefix = "bare"
    ttl = 60
    computed = False


def main() -> None:
    with start(options("What plain writes cost that drop the lease.")) as bench:
        c = connection()
        computed, bare = Computed("tea"), Bare("tea")
        write, drop = Command(("SET", KEY, b"green", "PX", 60_000)), Command(("UNLINK", LEASE))
        script = Script("key_set", (KEY, LEASE), (60_000, b"green"))
        calls = 100 if bench.quick else 500
        cases = [
            Case("KeyCache.set, computed=False: SET PX", lambda: bare.set("green")),
            Case("**KeyCache.set**: MULTI, SET PX, UNLINK, EXEC", lambda: computed.set("green")),
        ]
        rows = [usual(figure) for figure in measure(bench, cases, calls)]
        table("KeyCache.set with a ttl", HEAD, rows)
        forms = [
            Case("SET PX", lambda: c.one(write)),
            Case("SET PX, UNLINK in one write, two steps (unsafe)", lambda: c.many((write, drop), False, False)),
            Case("**MULTI, SET PX, UNLINK, EXEC in one write**", lambda: c.many((write, drop), True, False)),
            Case("a script: DEL, SET PX", lambda: c.one(script)),
        ]
        table("The same, without the handle", HEAD, [usual(figure) for figure in measure(bench, forms, calls)])


if __name__ == "__main__":
    main()
