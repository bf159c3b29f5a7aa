"""``scattered``: the plan of steps whose keys lie in several slots: facts first, then one round of steps.

Where all keys of each step lie in one slot there is no such plan, and nothing is added to the trip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import CacheError, ConfigError
from ..effects import Command, Script
from ..naming import tags as beginning
from ..slots import several, slot_of
from ..steps import written
from .choosing import form_of
from .everywhere import everywhere
from .forms import Copied, Facts, Round, Stale, Wanted, Wide
from .wide import content_of, copied, life_of, look_at

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from ..effects import Step
    from .everywhere import Owners
    from .forms import Form, Rounds, Space

__all__ = ["carry", "scattered"]

TRIES = 16  # rounds, while tags get new stamps all the time


def carry(plan: Rounds, send: Callable[[Round], list[Any]]) -> list[Any]:
    """Carry out a plan of rounds; ``send`` carries out one round."""
    replies: Any = None
    try:
        while True:
            replies = send(plan.send(replies))
    except StopIteration as end:
        found: list[Any] = end.value
        return found


def scattered(steps: Sequence[Step], space: Owners, atomic: bool) -> Rounds | None:
    """The plan of these steps; None if each has its keys in one slot."""
    if len(steps) == 1:
        wide = everywhere(steps[0], space)
        if wide is not None:
            return wide
    elif not any(map(several, steps)):
        return None
    if len(steps) == 1 and not several(steps[0]):
        return None
    forms = [form_of(step, space) for step in steps]
    if atomic:
        _check_operands(steps, forms, beginning(space.namespace))
    return _scattered(forms, space, atomic)


def _check_operands(steps: Sequence[Step], forms: Sequence[Form], tags: str) -> None:
    """A pipeline reads operands of other slots before it sends anything: it must not change them itself."""
    brought = {key for form in forms for key in form.brings}
    for step in steps if brought else ():
        for key in written(step, (tags,)) or ():
            if key in brought:
                raise ConfigError(
                    f"this pipeline changes {key!r} and uses it for a key of another slot: a pipeline is atomic for "
                    "each slot of a cluster, so give both keys one {hash tag}, or use two pipelines"
                )


def _scattered(forms: Sequence[Form], space: Space, atomic: bool) -> Generator[Round, list[Any], list[Any]]:
    replies: list[Any] = [None] * len(forms)
    left = list(range(len(forms)))
    if atomic:  # what is behind a step that would have to be sent again must not be carried out without it
        yield from _look(forms)
    for _ in range(TRIES):
        facts = yield from _facts([forms[n] for n in left])
        failed: dict[int, Any] = {
            n: error for n in left if (error := facts.error((*forms[n].tags, *forms[n].brings))) is not None
        }
        own: dict[int, Facts] = {}
        for n in left:
            if n not in failed and any(isinstance(facts.brought.get(key), Wide) for key in forms[n].brings):
                made = yield from _widened(forms[n], facts, space)
                if isinstance(made, Facts):
                    own[n] = made
                else:
                    failed[n] = made
        for n, error in failed.items():
            replies[n] = error
        stale = [n for n in left if isinstance(failed.get(n), Stale)]
        left = [n for n in left if n not in failed]
        together = [n for n in left if atomic or not forms[n].brings]
        alone = [n for n in left if n not in together]
        found: dict[int, Any] = {}
        for some, whole in ((together, atomic), (alone, True)):
            if some:
                found.update((yield from _sent({n: forms[n].steps(own.get(n, facts)) for n in some}, whole)))
        for n in left:
            reply = forms[n].fold(found[n])
            if type(reply) is Stale:
                stale.append(n)
            else:
                replies[n] = reply
        left = stale
        if not left:
            return replies
    for n in left:
        replies[n] = CacheError("its tags were invalidated, or its copies lost, again and again meanwhile: try again")
    return replies


def _look(forms: Sequence[Form]) -> Generator[Round, list[Any], None]:
    looks = [tuple(form.looks()) for form in forms]
    if not any(looks):
        return
    seen = yield Round([step for each in looks for step in each])
    at = 0
    for form, each in zip(forms, looks, strict=True):
        form.looked(seen[at : at + len(each)])
        at += len(each)


def _sent(parts: dict[int, Sequence[Step]], atomic: bool) -> Generator[Round, list[Any], dict[int, list[Any]]]:
    replies = yield Round([step for each in parts.values() for step in each], atomic)
    found, at = {}, 0
    for n, each in parts.items():
        found[n] = replies[at : at + len(each)]
        at += len(each)
    return found


def _facts(forms: Iterable[Form]) -> Generator[Round, list[Any], Facts]:
    """What these forms want to know, each fact once."""
    wanted: dict[str, Wanted] = {}
    brings: dict[str, None] = {}
    for form in forms:
        for tag, each in form.tags.items():
            before = wanted.get(tag)
            wanted[tag] = each if before is None else _either(before, each)
        brings.update(dict.fromkeys(form.brings))
    stamps: dict[str, Any] = {}
    if wanted:
        replies = yield Round([_stamp(tag, each) for tag, each in wanted.items()])
        for (tag, each), reply in zip(wanted.items(), replies, strict=True):
            stamps[tag] = reply if isinstance(reply, Exception) or each.new is None else reply[1]
    if not brings:
        return Facts(stamps, {})
    replies = yield _looked(tuple(brings))
    brought = dict(zip(brings, map(content_of, replies), strict=True))
    return Facts(stamps, brought, {key: life_of(reply) for key, reply in zip(brings, replies, strict=True)})


def _looked(keys: Sequence[str]) -> Round:
    """Look at operands; those of one slot, as an operand and its guard, at one moment."""
    return Round(tuple(map(look_at, keys)), atomic=len(set(map(slot_of, keys))) < len(keys))


def _widened(form: Any, facts: Facts, space: Space) -> Generator[Round, list[Any], Any]:
    """The facts with copies in the place of wide operands; an error, a reply that is known already, or ``Stale``."""
    brought = {key: facts.brought[key] for key in form.brings}
    known = form.answers(brought)
    if known is not None:
        return known
    for key, there in brought.items():
        if isinstance(there, Wide):
            made = yield from copied(key, form.home, there, space)
            if isinstance(made, Exception):
                yield from _dropped(brought)
                return made
            brought[key] = made
    if form.guards:  # an operand that was invalidated and begun again meanwhile would be half old, half new
        guards = tuple(form.guards)
        replies = yield _looked(guards)
        if any(content_of(reply) != facts.brought[guard] for guard, reply in zip(guards, replies, strict=True)):
            yield from _dropped(brought)
            return Stale()
    return facts._replace(brought=brought)


def _dropped(brought: Mapping[str, Any]) -> Generator[Round, list[Any], None]:
    """Remove copies that nobody will use."""
    names = [each.name for each in brought.values() if isinstance(each, Copied)]
    if names:
        yield Round((Command(("UNLINK", *names)),))


def _either(one: Wanted, other: Wanted) -> Wanted:
    if one.new is None or other.new is None:
        return other if one.new is None else one
    return one._replace(ms=0 if 0 in (one.ms, other.ms) else max(one.ms, other.ms))


def _stamp(tag: str, wanted: Wanted) -> Step:
    if wanted.new is None:
        return Command(("GET", tag))
    return Script("tag_stamp", (tag,), (wanted.ms, wanted.new))
