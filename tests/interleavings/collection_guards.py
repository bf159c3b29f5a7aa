"""Each guard of tagged collections: how it looks without it, and the scenario in which that does harm."""

from __future__ import annotations

from typing import Any

from tests.interleavings.collection import adder, afresh, bumper, clearer, filler, looker, replacer
from tests.interleavings.collection_catalog import kept, shelf
from tests.interleavings.guards import Guard
from tests.interleavings.mutants import guarded, plans, scripts
from tests.interleavings.scenario import TAG, TAG_B
from tests.interleavings.unguarded import clear_data_only, open_over, open_unseen

__all__ = ["COLLECTION_GUARDS"]

BUMP = bumper(TAG)
THERE: dict[str, Any] = {"initial": kept(TAG)}
LOADS: dict[str, Any] = {"options": {"loads": True}}
LOADED: dict[str, Any] = {**LOADS, "initial": kept(TAG, flag=b"L")}

COLLECTION_GUARDS: dict[str, Guard] = {
    "fill-since": Guard(
        lambda: plans(("expanded", 'role = "w" if not written.since else', 'role = "w" if True else')),
        shelf("", (filler(),), (BUMP,)),
    ),
    "fill-since, merging": Guard(
        lambda: guarded(
            ('if role != b"w" and (not live or found[: len(current) + 8] != seen[0]):', "if False:"),
        ),
        shelf("", (filler(merge=True),), (BUMP,)),
    ),
    "fill-since, the mark too": Guard(
        lambda: guarded(
            ('if role != b"w" and (not live or found[: len(current) + 8] != seen[0]):',
             'if role != b"w" and not live and found:'),
        ),
        shelf("", (filler(),), (clearer,)),
    ),
    "load-since": Guard(
        lambda: plans(("loads", "lambda: load.make(seen)", 'lambda: load.make(b"")')),
        shelf("", (looker,), (BUMP,), **LOADS),
    ),
    "guard-first": Guard(
        lambda: plans(
            ("expanded", 'steps: list[Step] = [Command(("GET", key.guard)), step]',
             'steps: list[Step] = [step, Command(("GET", key.guard))]'),
            ("expanded", "return Expanded((steps[0], _plain(step), *map(_plain, steps[2:])), fold)",
             "return Expanded(tuple(map(_plain, steps)), lambda all: fold([all[1], all[0], *all[2:]]))"),
        ),
        shelf("", (looker,), (BUMP,), (adder,), **THERE),
    ),
    "guard-again": Guard(
        lambda: plans(("expanded", "if waits and not (loaded and steady):", "if waits and not loaded:")),
        shelf("", (looker,), (afresh,), prompt=False, **LOADED),
    ),
    "writes compare the guard": Guard(
        lambda: guarded(
            ("                m.unlink(key, guard)\n                found = b", "                found = b"),
        ),
        shelf("", (adder,), (BUMP,), **THERE),
    ),
    "reads compare the guard": Guard(
        lambda: plans(("guards", 'guard[:size] == b"".join(stamps) and', "")),
        shelf("", (looker,), (BUMP,), **THERE),
    ),
    "every stamp": Guard(
        lambda: plans(
            ("guards", 'guard[:size] == b"".join(stamps) and', 'guard[:8] == b"".join(stamps)[:8] and'),
        ),
        shelf("", (looker,), (bumper(TAG_B),), tags=(TAG, TAG_B), initial=kept(TAG, TAG_B)),
    ),
    "a new mark for what replaces all": Guard(
        lambda: guarded(("same = bool(found) and not whole and", "same = bool(found) and")),
        shelf("", (filler(),), (replacer,), **THERE),
    ),
    "a missing tag never matches": Guard(
        lambda: plans(
            ("guards", 'live = None not in stamps and guard[:size] == b"".join(stamps)',
             'live = (None in stamps or guard[:size] == b"".join(stamps))'),
        ),
        shelf("", (looker,), (BUMP,), evict=(TAG,), **THERE),
    ),
    "clear drops the guard": Guard(
        lambda: scripts(key_clear=clear_data_only),
        shelf("", (filler(),), (clearer,), **THERE),
    ),
    "one loads": Guard(
        lambda: scripts(guard_open=open_over),
        shelf("", (looker,), (looker,), **LOADS),
    ),
    "looks again before it loads": Guard(
        lambda: scripts(guard_open=open_unseen),
        shelf("", (looker,), (looker,), computations=1, **LOADS),
    ),
    "free after a load": Guard(
        lambda: plans(
            ("loads", "        raise\n    yield from _free(load, token)\n    return result",
             "        raise\n    return result"),
        ),
        shelf("", (looker,), (looker,), **LOADS),
    ),
    "free what nobody heard of": Guard(
        lambda: plans(
            ("loads", "        except BaseException:  # cancelled or interrupted\n"
             "            yield from _free(load, token)\n"
             "            _leave(load, token)  # the question may still be on its way, and arrive behind that\n"
             "            raise\n        if reply",
             "        if reply"),
        ),
        shelf("", (looker, looker), cancels=1, may_cancel=(0,), **LOADS),
    ),
}  # fmt: skip
