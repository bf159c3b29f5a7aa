"""Steps with keys in several slots, against each other in every order: each slot's part is one atom, as at a node.

The steps run on ``memory://``, with the real scripts. What a plan sends at once may be carried out in any order, and
the atoms of other callers in between. A mutation (a guard of the plan that is left out) has to be found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rcollections import connection
from rcollections.errors import CacheError
from rcollections.plans.cluster import wide
from rcollections.plans.cluster.brought import Bringing
from rcollections.plans.cluster.forms import Stale
from rcollections.plans.cluster.scattered import scattered
from rcollections.plans.cluster.stamped import Guarding, Stamped
from rcollections.plans.effects import Batch, Command, Script
from rcollections.plans.guards import Guarded
from rcollections.plans.slots import keys_of, slot_of, slot_of_keys
from rcollections.plans.through import through
from rcollections.testing import isolated
from rcollections.wire.moves import by_single_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from rcollections.plans.cluster.forms import Round

TAG, KEY, GUARD, LEASE = "rc:t:a", "k", "rc:g:{k}", "rc:l:{k}"
assert slot_of(TAG) != slot_of(KEY)

STAMPS = iter(range(1, 1 << 40))


class Space:
    namespace = ""

    def primaries(self) -> tuple[Any, ...]:
        return ("one",)

    def map_sum(self) -> int:
        return 1


def drawn() -> bytes:
    return b"%08d" % next(STAMPS)


def members() -> Guarded:
    return Guarded.make(KEY, GUARD, (TAG,), 0, 0)


def step(effect: Any) -> Generator[Any, Any, Any]:
    """One effect as a plan, in its guarded form."""

    def plan() -> Generator[Any, Any, Any]:
        return (yield effect)

    return (yield from through(plan()))


def add(member: str) -> Generator[Any, Any, Any]:
    return (yield from step(Command(("SADD", members(), member))))


def read() -> Generator[Any, Any, Any]:
    return (yield from step(Command(("SMEMBERS", members()))))


def bump() -> Generator[Any, Any, Any]:
    return (yield Script("tag_bump", (TAG,), (0, drawn())))


def put(value: str) -> Generator[Any, Any, Any]:
    head = b"\xc0\x00" + bytes(6) + b"\x00\x01" + drawn()
    words = (head, value, 0, 0, "channel", "last", "any", "", "", drawn())
    return (yield Script("entry_set", (KEY, LEASE, GUARD, TAG), words))


def together(*some: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """One after another, by one caller; gives the last result."""
    result = None
    for each in some:
        result = yield from each
    return result


class Caller:
    """A plan under way: which atoms wait to be carried out."""

    def __init__(self, plan: Generator[Any, Any, Any]) -> None:
        self.plan = plan
        self.rounds: Any = None
        self.done = False
        self.result: Any = None
        self._effect(None)

    def _effect(self, reply: Any) -> None:
        try:
            effect = self.plan.send(reply)
        except StopIteration as end:
            self.done, self.result, self.atoms = True, end.value, []
            return
        self.single = not isinstance(effect, Batch)
        steps = (effect,) if self.single else tuple(effect.steps)
        atomic = not self.single and effect.atomic
        self.rounds = scattered(steps, Space(), atomic)  # type: ignore[arg-type]
        if self.rounds is None:
            self._round(steps, atomic)
        else:
            self._begun(self.rounds.send(None))

    def _begun(self, some: Round) -> None:
        if some.witness is not None:
            some.witness.update({slot_of(key): b"one" for each in some.steps for key in keys_of(each)})
        self._round(some.steps, some.atomic)

    def _round(self, steps: Any, atomic: bool) -> None:
        self.replies: list[Any] = [None] * len(steps)
        groups: dict[Any, list[int]] = {}
        for n, each in enumerate(steps):
            groups.setdefault(slot_of_keys(keys_of(each)), []).append(n)
        self.steps, self.atomic = steps, atomic
        self.atoms = [list(group) for group in groups.values()]

    def carry(self, atom: int) -> None:
        """Carry out one step of a slot, or in MULTI all of them."""
        group = self.atoms[atom]
        some = list(group) if self.atomic else group[:1]
        found = connection().many([self.steps[n] for n in some], self.atomic, True)
        for n, reply in zip(some, found, strict=True):
            self.replies[n] = reply
        del group[: len(some)]
        self.atoms = [each for each in self.atoms if each]
        if self.atoms:
            return
        if self.rounds is None:
            self._reply(self.replies)
            return
        try:
            self._begun(self.rounds.send(self.replies))
        except StopIteration as end:
            self._reply(end.value)

    def _reply(self, replies: list[Any]) -> None:
        failed = next((each for each in replies if isinstance(each, CacheError)), None)
        if failed is not None:
            raise failed
        self._effect(replies[0] if self.single else replies)


def orders(begin: Callable[[], list[Generator[Any, Any, Any]]], before: Callable[[], object]) -> Iterator[list[Any]]:
    """Carry the plans out in every order of their atoms; gives their results each time."""
    path: list[tuple[int, int]] = []  # which of how many was chosen
    while True:
        connection().raw("FLUSHDB")
        before()
        callers = [Caller(plan) for plan in begin()]
        depth = 0
        while True:
            choices = [(caller, n) for caller in callers for n in range(len(caller.atoms))]
            if not choices:
                break
            if depth == len(path):
                path.append((0, len(choices)))
            caller, n = choices[path[depth][0]]
            caller.carry(n)
            depth += 1
        yield [caller.result for caller in callers]
        while path and path[-1][0] + 1 == path[-1][1]:
            path.pop()
        if not path:
            return
        path[-1] = (path[-1][0] + 1, path[-1][1])


def run(plan: Generator[Any, Any, Any]) -> Any:
    caller = Caller(plan)
    while not caller.done:
        caller.carry(0)
    return caller.result


@pytest.fixture(autouse=True)
def _memory() -> Iterator[None]:
    with isolated():
        yield


def _old_content() -> None:
    run(add("old"))


def _newest_member_stays() -> bool:
    """A adds, while B invalidates and then adds: what B added is there in the end, and nothing old."""
    count = 0
    for _ in orders(lambda: [add("a"), together(bump(), add("b"))], _old_content):
        count += 1
        found = run(read())
        if b"b" not in found or b"old" in found:
            return False
    assert count > 50
    return True


def _newest_entry_stays() -> bool:
    """The same of an entry: one of the two values is there in the end."""
    count = 0
    for _ in orders(lambda: [put("a"), together(bump(), put("b"))], lambda: run(put("old"))):
        count += 1
        found = connection().raw("MGET", KEY, TAG)
        if found[0][18:26] != found[1] or found[0][26:] not in (b"a", b"b"):
            return False
    assert count > 20
    return True


def test_an_addition_behind_an_invalidation_stays() -> None:
    """K6."""
    assert _newest_member_stays()


def test_a_value_behind_an_invalidation_stays() -> None:
    """K4."""
    assert _newest_entry_stays()


def test_a_read_behind_an_invalidation_sees_nothing_older() -> None:
    """C3, with guard, data and tags in any order over slots; others add meanwhile."""
    for results in orders(lambda: [add("a"), together(bump(), read())], _old_content):
        assert b"old" not in results[1]


def test_an_addition_by_a_pipeline_behind_an_invalidation_stays() -> None:
    """The same where the steps are in MULTI."""

    def pipeline(member: str) -> Generator[Any, Any, Any]:
        return (yield from step(Batch((Command(("SADD", members(), member)), Command(("SCARD", members()))), True)))

    for results in orders(lambda: [pipeline("a"), together(bump(), add("b"))], _old_content):
        assert b"b" in run(read())
        assert results[0][1] in (0, 1, 2)  # 0: the tag was invalidated behind the addition, in its own slot


def test_without_the_look_at_guards_it_goes_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """K6 left out: whatever the guard is, it is taken for dead."""
    made = Guarding.made

    def careless(self: Guarding, name: str, stamps: Any, dead: Any) -> Script:
        return made(self, name, stamps, [connection().raw("GET", guard) or b"" for guard in self.guards])

    carry = Caller.carry

    def carried(self: Caller, atom: int) -> None:
        group = self.atoms[atom]
        for n in group:
            each = self.steps[n]
            if isinstance(each, Script) and each.name.startswith("guarded:") and "s1 " in str(each.args[-1]):
                guard = connection().raw("GET", GUARD) or b""
                self.steps[n] = Script(each.name, each.keys, (*each.args[:-2], guard, each.args[-1]))
        carry(self, atom)

    monkeypatch.setattr(Guarding, "made", careless)
    monkeypatch.setattr(Caller, "carry", carried)
    assert not _newest_member_stays()


def test_without_the_look_at_entries_it_goes_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """K4 left out: the script gets no stamps that may be dead, so it replaces whatever is there."""
    steps = Stamped.steps

    def careless(self: Stamped, facts: Any) -> Any:
        (each,) = steps(self, facts)
        return (Script(each.name, each.keys, each.args[:-1]),)  # type: ignore[union-attr]

    monkeypatch.setattr(Stamped, "steps", careless)
    assert not _newest_entry_stays()


def test_taking_the_answer_stale_for_done_goes_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then an addition may be missing."""
    from rcollections.plans.cluster import brought

    monkeypatch.setattr(brought, "Stale", lambda: [b"ok", 1])
    assert not _newest_member_stays()
    assert Stale() == ()


def _deleted(parts: Callable[[], Generator[Any, Any, Any]]) -> bool:
    """D1 key by key, while the owner of the lease stores what it read before: nothing old stays."""

    def before() -> None:
        connection().raw("SET", KEY, "older")
        connection().raw("SET", LEASE, "token")

    def store() -> Generator[Any, Any, Any]:
        return (yield Script("entry_store", (KEY, LEASE), ("token", "old", 0, "channel")))

    return all(connection().raw("EXISTS", KEY) == 0 for _ in orders(lambda: [store(), parts()], before))


def test_deleting_key_by_key() -> None:
    """K8: the lease goes first."""

    def carry(steps: Any) -> Generator[Any, Any, Any]:
        return (yield Batch(steps, keep_errors=True))

    def right() -> Generator[Any, Any, Any]:
        return (yield from by_single_keys([Script("entry_delete", (KEY, LEASE), ("channel",))], carry))

    def wrong() -> Generator[Any, Any, Any]:
        yield Command(("UNLINK", KEY))
        yield Command(("UNLINK", LEASE))

    assert _deleted(right)
    assert not _deleted(wrong)


def union() -> Generator[Any, Any, Any]:
    return set((yield from step(Command(("SUNION", "home", members())))))


def _one_generation(monkeypatch: pytest.MonkeyPatch) -> bool:
    """A reads an operand page by page, while B invalidates and begins it anew: A sees the old one, or the new one."""
    monkeypatch.setattr(wide, "MOST", 1)
    monkeypatch.setattr(wide, "PAGE", 1)

    def again() -> Generator[Any, Any, Any]:
        yield from bump()
        yield Command(("PING",))
        run(add("b"))  # at one moment: its own orders are above

    count = 0
    for results in orders(lambda: [union(), again()], lambda: [run(add("old")), run(add("older"))]):
        count += 1
        found = results[0]
        if found & {b"old", b"older"} and (b"b" in found or len(found) != 2):
            return False
    assert count > 50
    return True


def test_an_operand_that_is_read_in_pages_is_of_one_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    """K15: its guard is read once more behind the last page."""
    assert _one_generation(monkeypatch)


def test_without_the_last_look_at_its_guard_it_goes_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """K15 left out."""
    monkeypatch.setattr(Bringing, "guards", frozenset())
    assert not _one_generation(monkeypatch)


def test_a_copy_that_was_lost_is_never_taken_for_the_operand(monkeypatch: pytest.MonkeyPatch) -> None:
    """K15: staged members are counted, at each page and at the end."""
    monkeypatch.setattr(wide, "MOST", 1)
    monkeypatch.setattr(wide, "PAGE", 1)

    def lost() -> Generator[Any, Any, Any]:
        for key in connection().raw("KEYS", "rc:s:*"):
            yield Command(("UNLINK", key))
        return None

    def loses() -> Generator[Any, Any, Any]:
        yield Command(("PING",))
        return (yield from lost())

    for results in orders(lambda: [union(), loses()], lambda: [run(add("x")), run(add("y"))]):
        assert results[0] == {b"x", b"y"}
