"""Guards: what makes a tagged collection read as empty once one of its tags was invalidated. No I/O.

Beside the collection stands a key with the stamps that its tags had when it was begun. A read is one round
trip, guard first, then the data, then the tags: if the stamps differ, the data counts as missing. A write is
a script that looks at the guard first. The key of a guarded handle is a ``Guarded``: a str that knows its
guard, so that the plans of the collections need not; here their steps get their guarded form.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from .draws import draw
from .effects import Batch, Command, Script
from .empty import empty_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .effects import Arg, Plan, Step

__all__ = ["GUARDED", "Expanded", "Guarded", "Refused", "Unloaded", "expand", "guard_state", "original", "through"]

GUARDED = "guarded:"  # before the name of a script: its guarded form

WRITING = frozenset("HDEL SREM SPOP ZREM ZPOPMAX ZPOPMIN ZREMRANGEBYRANK ZREMRANGEBYSCORE".split())
READING = frozenset(
    "hash_get_ttl hash_read key_get_ttl key_get_ttls keys_read set_compare set_read set_xor zset_page zset_read".split()
)
_TWO_SETS = frozenset(("SUNION", "SINTER", "SDIFF"))
_TWO_SORTED_SETS = frozenset(("ZUNION", "ZINTER", "ZDIFF"))
_WHOLE = frozenset(("hash_replace", "set_replace", "zset_replace", "key_commit", "key_copy"))


class Guarded(str):
    """The key of a collection that has tags, loads itself, or is written with ``since``."""

    guard: str
    tags: tuple[str, ...]
    tag_ms: int
    ms: int
    loads: Callable[[], Plan[None]] | None  # fills it
    since: bytes

    @classmethod
    def make(
        cls, key: str, guard: str, tags: tuple[str, ...], tag_ms: int, ms: int, loads: Any = None, since: bytes = b""
    ) -> Guarded:
        new = cls(key)
        new.guard, new.tags, new.tag_ms, new.ms, new.loads, new.since = guard, tags, tag_ms, ms, loads, since
        return new


class Refused(Exception):
    """What was to be stored was read from the source before the last invalidation."""


class Unloaded(Exception):
    """This collection has to be loaded first."""

    def __init__(self, key: Guarded) -> None:
        self.key = key


class Expanded(NamedTuple):
    """What is sent in the place of a step, and what makes one reply of the replies."""

    steps: tuple[Step, ...]
    fold: Callable[[Sequence[Any]], Any]


def guard_state(key: Guarded, guard: bytes | None, stamps: Sequence[bytes | None], exists: Any) -> tuple[bool, bool]:
    """Whether the data counts, and whether it was loaded. The Lua side is ``lua/lib/generation.lua``."""
    size = 8 * len(key.tags)
    if guard is None:
        return size == 0, False
    live = None not in stamps and guard[:size] == b"".join(stamps) and len(guard) in (size + 8, size + 9)  # type: ignore[arg-type]
    flag = guard[size + 8 :]
    return live, live and (flag == b"E" or (flag == b"L" and bool(exists)))


def expand(step: Step, waits: bool = True) -> Expanded | None:
    """The guarded form of a step; None if none of its keys is guarded. Draws anew each time it is called.

    ``waits``: whether a collection that is not loaded yet can be loaded first (not inside of MULTI).
    """
    if type(step) is Command:
        name = str(step.args[0])
        if name in _TWO_SETS:
            step = Script("keys_read", step.args[1:], (name, 0))  # type: ignore[arg-type]
        elif name in _TWO_SORTED_SETS:
            end = 2 + int(step.args[1])
            step = Script("keys_read", step.args[2:end], (name, 1, end - 2, *step.args[end:]))  # type: ignore[arg-type]
        else:
            key = step.args[1] if len(step.args) > 1 else None
            if not isinstance(key, Guarded):
                return None
            if name not in WRITING:
                return _reading(step, key, waits)
            step = Script("key_run", (key,), (name, *step.args[2:]))
        found = expand(step, waits)
        if found is None:
            return None
        return Expanded(found.steps, lambda replies: _second(found.fold(replies)))
    return _expand_script(step, waits)  # type: ignore[arg-type]


def _expand_script(step: Script, waits: bool) -> Expanded | None:
    guarded = [key for key in step.keys if isinstance(key, Guarded)]
    if not guarded:
        return None
    if len(step.keys) == 1 and step.name in READING and step.name != "keys_read":
        return _reading(step, guarded[0], waits)
    return _scripted(step, waits)


def _second(reply: Any) -> Any:
    return reply if isinstance(reply, Exception) else reply[1]


def _reading(step: Step, key: Guarded, waits: bool) -> Expanded:
    """C3: guard before data before tags, in one round trip, no Lua. What loads itself: the guard once more behind."""
    beside = (*((key.guard,) if key.loads is not None else ()), *key.tags)
    steps: list[Step] = [Command(("GET", key.guard)), step]
    if key.loads is not None:
        steps.append(Command(("EXISTS", key)))
    if beside:
        steps.append(Command(("MGET", *beside)))

    def fold(replies: Sequence[Any]) -> Any:
        for each in (replies[0], *replies[2:]):
            if isinstance(each, Exception):
                return each
        guard, data, stamps = replies[0], replies[1], list(replies[-1]) if beside else []
        if key.loads is None:
            return data if guard_state(key, guard, stamps, 0)[0] else empty_reply(step)
        # A reads the guard, then B clears, A finds no data, B loads: the guard of after tells that it was away.
        size, after, stamps = 8 * len(key.tags) + 8, stamps[0], stamps[1:]
        live, loaded = guard_state(key, after, stamps, replies[2])
        steady = guard is not None and after is not None and guard[:size] == after[:size]
        if waits and not (loaded and steady):
            return Unloaded(key)
        live = live and guard_state(key, guard, stamps, 0)[0]
        return data if live else empty_reply(step)

    return Expanded((steps[0], _plain(step), *map(_plain, steps[2:])), fold)


def _plain(step: Step) -> Step:
    """The step with its key as a plain str."""
    if isinstance(step, Script):
        return Script(step.name, tuple(map(str, step.keys)), step.args)
    return Command((step.args[0], str(step.args[1]), *step.args[2:]))


def _scripted(step: Script, waits: bool) -> Expanded:
    """C2 and C5: the script behind a look at all guards; what it writes gets its guard in the same step."""
    at = -1 if step.name in READING else 1 if step.name in ("key_commit", "key_copy") else 0
    written = step.keys[at] if at >= 0 and type(step.keys[at]) is Guarded else None
    whole = step.name in _WHOLE or (step.name in ("set_combine", "zset_combine") and step.args[2] in ("copy", "move"))
    operands = [(n, key) for n, key in enumerate(step.keys) if type(key) is Guarded and n != at]
    if isinstance(written, Guarded):
        mine = written
        operands = [(n, key) for n, key in operands if key != mine or key.tags != mine.tags]
    tags = list(dict.fromkeys(tag for key in step.keys if type(key) is Guarded for tag in key.tags))
    items, beside = [], []
    for n, key in operands:
        items.append(_item("r", n, key, "l" if key.loads is not None and waits else "", tags))
        beside += [key.guard, key.guard + ":"]  # a key that is never written: what a dead operand reads as
    seen: tuple[Arg, ...] = (b"", b"", 0, _longest(operands))
    if isinstance(written, Guarded):
        role = "w" if not written.since else "f" if whole else "m"
        flags = ("" if written.loads is None else "l" if waits else "p") + ("a" if whole else "")
        items.append(_item(role, at, written, flags, tags))
        beside.append(written.guard)
        seen = (written.since, draw(), written.ms, written.tag_ms)
    spec = " ".join((str(len(beside)), str(len(tags)), *items))
    args = (*step.args, *seen, *(draw() for _ in tags), spec)
    made = Script(GUARDED + step.name, (*map(str, step.keys), *beside, *tags), args)

    def fold(replies: Sequence[Any]) -> Any:
        reply = replies[0]
        if isinstance(reply, Exception):
            return reply
        if reply[0] == b"unloaded":
            return Unloaded(step.keys[int(reply[1]) - 1])  # type: ignore[arg-type]
        return Refused() if reply[0] == b"refused" else reply

    return Expanded((made,), fold)


def _item(role: str, at: int, key: Guarded, flags: str, tags: Sequence[str]) -> str:
    return f"{role}{at + 1}{flags}:{','.join(str(tags.index(tag) + 1) for tag in key.tags)}"


def _longest(operands: Sequence[tuple[int, Guarded]]) -> int:
    times = [key.tag_ms for _, key in operands]
    return 0 if 0 in times else max(times, default=0)


def original(step: Script) -> Script:
    """The script whose guarded form this is, with what it takes itself."""
    keys, tags = map(int, str(step.args[-1]).split()[:2])
    end = len(step.args) - 5 - tags
    return Script(step.name.removeprefix(GUARDED), step.keys[: len(step.keys) - keys - tags], step.args[:end])


TRIES = 8


def through(plan: Plan[Any]) -> Plan[Any]:
    """Carry out a plan with the guarded form of its steps, and load what has to be loaded first."""
    reply: Any = None
    failed: BaseException | None = None
    while True:
        try:
            effect = plan.send(reply) if failed is None else plan.throw(failed)
        except StopIteration as end:
            return end.value
        reply, failed = None, None
        try:
            reply = yield from _carried(effect)
        except GeneratorExit:
            plan.close()
            raise
        except BaseException as error:  # thrown into the plan, so that it can clean up
            failed = error


def one(step: Step) -> Plan[Any]:
    """The reply of one step, in its guarded form."""
    return (yield from _carried(step))


def _carried(effect: Any) -> Plan[Any]:
    kind = type(effect)
    if kind is not Command and kind is not Script and kind is not Batch:
        return (yield effect)
    steps: tuple[Step, ...] = tuple(effect.steps) if kind is Batch else (effect,)
    for tries in range(TRIES):
        forms = [expand(step, waits=tries < TRIES - 1) for step in steps]
        if not any(forms):
            return (yield effect)
        sent = tuple(
            chain.from_iterable(
                (step,) if form is None else form.steps for step, form in zip(steps, forms, strict=True)
            )
        )
        atomic = kind is Batch and effect.atomic
        replies = folded(forms, (yield Batch(sent, atomic, keep_errors=True)))
        unloaded = next((each for each in replies if type(each) is Unloaded), None)
        if unloaded is None:
            break
        if unloaded.key.loads is not None:
            yield from unloaded.key.loads()
        if len(steps) > 1:  # what was done already must not be done twice
            steps_left = [n for n, each in enumerate(replies) if type(each) is Unloaded]
            rest = yield from _carried(Batch(tuple(steps[n] for n in steps_left), atomic, keep_errors=True))
            for n, each in zip(steps_left, rest, strict=True):
                replies[n] = each
            break
    if kind is Batch and effect.keep_errors:
        return replies
    for each in replies:
        if isinstance(each, Exception):
            raise each
    return replies if kind is Batch else replies[0]


def folded(forms: Sequence[Expanded | None], replies: Sequence[Any]) -> list[Any]:
    """One reply for each step, of the replies to what was sent in their place."""
    found, at = [], 0
    for form in forms:
        if form is None:
            found.append(replies[at])
            at += 1
        else:
            found.append(form.fold(replies[at : at + len(form.steps)]))
            at += len(form.steps)
    return found
