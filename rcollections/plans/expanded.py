"""The guarded form of a step with guarded keys: the steps that are sent in its place, and how their replies read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .commands import COMMANDS
from .draws import draw
from .effects import Command, Script
from .guards import Guarded, Refused, Unloaded, guard_state
from .scripts import GUARDED, source
from .steps import empty_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .effects import Arg, Step

__all__ = ["Expanded", "expand", "folded"]


class Expanded(NamedTuple):
    """The steps that are sent in the place of one step, and the function that makes one reply of their replies."""

    steps: tuple[Step, ...]
    fold: Callable[[Sequence[Any]], Any]


def expand(step: Step, waits: bool = True) -> Expanded | None:
    """The guarded form of a step; None if none of its keys is guarded. Every call draws anew.

    ``waits``: whether the caller can load a collection first that is not loaded yet (not inside of MULTI).
    """
    return _of_command(step, waits) if isinstance(step, Command) else _of_script(step, waits)


def _of_command(step: Command, waits: bool) -> Expanded | None:
    words = step.args
    facts = COMMANDS.get(words[0])
    if facts is not None and facts.several and not facts.writes:
        if Guarded not in map(type, words):
            return None
        keys = facts.keys(words)
        if len(keys) > 1 or facts.counted:
            start = facts.where.start
            args = (words[0], start - 1, *words[1:start], *words[start + len(keys) :])
            return _second_of(Script("keys_read", keys, args), waits)
    key = words[1] if len(words) > 1 else None
    if not isinstance(key, Guarded):
        return None
    if facts is not None and not facts.writes:
        return _reading(step, key, waits)
    return _second_of(Script("key_run", (key,), (words[0], *words[2:])), waits)


def _second_of(step: Script, waits: bool) -> Expanded | None:
    """The guarded form of a script that carries out one command, and answers with a word and the command's reply."""
    found = _of_script(step, waits)
    return None if found is None else Expanded(found.steps, lambda replies: _second(found.fold(replies)))


def _of_script(step: Script, waits: bool) -> Expanded | None:
    guarded = [key for key in step.keys if isinstance(key, Guarded)]
    if not guarded:
        return None
    if len(step.keys) == 1 and source(step.name).header.writes is None:
        return _reading(step, guarded[0], waits)
    return _scripted(step, waits)


def _second(reply: Any) -> Any:
    return reply if isinstance(reply, Exception) else reply[1]


def _reading(step: Step, key: Guarded, waits: bool) -> Expanded:
    """C3: guard before data before tags, in one round trip, no Lua.

    For a collection that loads itself, the guard is read again behind the data.
    """
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
        # A reads the guard, B clears, A finds no data, B loads. The guard behind the data shows A that it has changed.
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
    """C2 and C5: the script behind a check of all guards; the key that it writes gets its guard in the same step."""
    header = source(step.name).header
    at = -1 if header.writes is None else header.writes.first
    written = step.keys[at] if at >= 0 and type(step.keys[at]) is Guarded else None
    whole = header.whole(step)
    operands = [(n, key) for n, key in enumerate(step.keys) if type(key) is Guarded and n != at]
    if isinstance(written, Guarded):
        mine = written
        operands = [(n, key) for n, key in operands if key != mine or key.tags != mine.tags]
    tags = list(dict.fromkeys(tag for key in step.keys if type(key) is Guarded for tag in key.tags))
    items, beside = [], []
    for n, key in operands:
        items.append(_item("r", n, key, "l" if key.loads is not None and waits else "", tags))
        beside += [key.guard, key.guard + ":"]  # a dead operand is read under the second key, which is never written
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


def folded(forms: Sequence[Expanded | None], replies: Sequence[Any]) -> list[Any]:
    """One reply for each original step, made of the replies to the steps that were sent in its place."""
    found, at = [], 0
    for form in forms:
        if form is None:
            found.append(replies[at])
            at += 1
        else:
            found.append(form.fold(replies[at : at + len(form.steps)]))
            at += len(form.steps)
    return found
