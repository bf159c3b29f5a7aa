"""``scattered``: the plan of steps whose keys lie in several slots: facts first, then one round of steps.

Where all keys of each step lie in one slot there is no such plan, and nothing is added to the trip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ...errors import CacheError, ConfigError
from ..commands import COMMANDS
from ..effects import Command, Script
from ..naming import tags as beginning
from ..slots import several, slot_of
from ..steps import written
from .brought import Bringing, content_of
from .everywhere import everywhere
from .forms import Facts, Plain, Stale, Wanted
from .splits import split
from .stamped import PLACES, SetMany, Stamped, guarding, is_guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from ..effects import Step
    from .everywhere import Owners
    from .forms import Form, Space

__all__ = ["Round", "Rounds", "carry", "form_of", "scattered"]

TRIES = 16  # rounds, while tags get new stamps all the time


class Round(NamedTuple):
    """Send all steps, ``atomic`` those of each slot in one MULTI, and give their replies, errors among them.

    ``place``: the node for steps without keys.
    """

    steps: Sequence[Step]
    atomic: bool = False
    place: Any = None


Rounds: TypeAlias = "Generator[Round, list[Any], list[Any]]"


def carry(plan: Rounds, send: Callable[[Sequence[Step], bool, Any], list[Any]]) -> list[Any]:
    """Carry out a plan of rounds; ``send`` carries out one round."""
    replies: Any = None
    try:
        while True:
            replies = send(*plan.send(replies))
    except StopIteration as end:
        found: list[Any] = end.value
        return found


def scattered(steps: Sequence[Step], space: Owners, atomic: bool) -> Rounds | None:
    """The plan of these steps; None if each has its keys in one slot."""
    if len(steps) == 1:
        wide = everywhere(steps[0], space, Round)
        if wide is not None:
            return wide
    elif not any(map(several, steps)):
        return None
    if len(steps) == 1 and not several(steps[0]):
        return None
    forms = [form_of(step, space) for step in steps]
    if atomic:
        _check_operands(steps, forms, beginning(space.namespace))
    return _scattered(forms, atomic)


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


def form_of(step: Step, space: Space) -> Form:
    """The form of one step; CacheError for one that a cluster cannot carry out."""
    if not several(step):
        return Plain(step)
    if isinstance(step, Script):
        return _of_script(step, space)
    made = split(step)
    if made is not None:
        return made
    facts = COMMANDS.get(step.args[0])
    if facts is None or facts.writes:
        raise CacheError(f"{step.args[0]!s} takes keys of one slot in a cluster: give these keys one {{hash tag}}")
    return Bringing(step, (), space)


def _of_script(step: Script, space: Space) -> Form:
    made = split(step)
    if made is not None:
        return made
    if is_guarded(step):
        return Bringing(step, guarding(step).tags, space)
    first = beginning(space.namespace)
    tags = [key for key in step.keys if key.startswith(first)]
    if step.name == "lease_free" and len(step.args) < PLACES[step.name].at:  # no mark is left, so no stamps are asked
        return Plain(Script(step.name, step.keys[:1], step.args))
    if step.name == "entry_set_many":
        return _set_many(step, tags)
    if tags and not several(Script(step.name, step.keys[: len(step.keys) - len(tags)], ())):
        return Stamped(step, tags, PLACES[step.name])
    if tags:
        return Both(step, tags, space)
    return Bringing(step, (), space)


def _set_many(step: Script, tags: Sequence[str]) -> Form:
    lots: dict[int, list[int]] = {}
    for n in range(int(step.args[0])):
        lots.setdefault(slot_of(step.keys[n]), []).append(n)
    return SetMany(step, tags, list(lots.values()))


class Both:
    """A script with stamps from elsewhere and an operand from elsewhere: a copy of an entry."""

    def __init__(self, step: Script, tags: Sequence[str], space: Space) -> None:
        self._stamped = Stamped(step, tags, PLACES[step.name])
        self._plain = Script(step.name, step.keys[: len(step.keys) - len(tags)], step.args)
        self._space = space
        self.tags = self._stamped.tags
        self._bringing = Bringing(self._plain, (), space)
        self.brings = self._bringing.brings

    def looks(self) -> Sequence[Step]:
        """Nothing: of an entry that is read for a copy nothing is lost."""
        return ()

    def looked(self, _replies: Sequence[Any]) -> None:
        """Nothing was seen."""

    def steps(self, facts: Facts) -> Sequence[Step]:
        """The copies, the script with the stamps, and the end of the copies."""
        (made,) = self._stamped.steps(facts)
        self._bringing = Bringing(made, (), self._space)
        return self._bringing.steps(facts)

    def fold(self, replies: Sequence[Any]) -> Any:
        """Its reply."""
        reply = self._bringing.fold(replies)
        return reply if isinstance(reply, Exception) else self._stamped.fold((reply,))


def _scattered(forms: Sequence[Form], atomic: bool) -> Generator[Round, list[Any], list[Any]]:
    replies: list[Any] = [None] * len(forms)
    left = list(range(len(forms)))
    if atomic:  # what is behind a step that would have to be sent again must not be carried out without it
        yield from _look(forms)
    for _ in range(TRIES):
        facts = yield from _facts([forms[n] for n in left])
        failed = {n: error for n in left if (error := facts.error((*forms[n].tags, *forms[n].brings))) is not None}
        for n, error in failed.items():
            replies[n] = error
        left = [n for n in left if n not in failed]
        together = [n for n in left if atomic or not forms[n].brings]
        alone = [n for n in left if n not in together]
        found: dict[int, Any] = {}
        for some, whole in ((together, atomic), (alone, True)):
            if some:
                found.update((yield from _sent({n: forms[n].steps(facts) for n in some}, whole)))
        stale = []
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
        replies[n] = CacheError("its tags were invalidated again and again meanwhile: try again")
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
    brought: dict[str, Any] = {}
    if brings:
        steps = [Command((word, key)) for key in brings for word in ("PTTL", "DUMP")]
        replies = yield Round(steps, atomic=True)
        for n, key in enumerate(brings):
            brought[key] = content_of(*replies[2 * n : 2 * n + 2])
    return Facts(stamps, brought)


def _either(one: Wanted, other: Wanted) -> Wanted:
    if one.new is None or other.new is None:
        return other if one.new is None else one
    return one._replace(ms=0 if 0 in (one.ms, other.ms) else max(one.ms, other.ms))


def _stamp(tag: str, wanted: Wanted) -> Step:
    if wanted.new is None:
        return Command(("GET", tag))
    return Script("tag_stamp", (tag,), (wanted.ms, wanted.new))
