"""The history checker: which answers were older, counts wrong, locks shared or calls late beyond what is promised."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from .functions import FUNCTIONS, UNHELD, names_of
from .grounds import count_key
from .losses import Losses

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Bound", "Report", "check"]

SECOND = 1_000_000_000
SLACK = 50_000_000  # ns: the ticks of coarse clocks, and the lines between two looks at a clock
SHARED = 150_000_000  # ns: a computation of the functions, on a busy machine
LATE = 0.5  # seconds by which a call may end late on a machine with as many processes
LONGEST = 9.0  # seconds for a call without a deadline: the orphaned lease of a killed worker, then its own way

History = "Sequence[list[Any]]"
NOTHING_LOST = Losses()


class Report:
    """What was checked, how often, and what broke."""

    def __init__(self) -> None:
        self.checked: Counter[str] = Counter()
        self.broken: list[str] = []

    def breach(self, text: str) -> None:
        self.broken.append(text)


class Bound:
    """The least version that a call may give, by the instant at which it began."""

    def __init__(self) -> None:
        self._told: list[tuple[int, int]] = []
        self._ready = False

    def add(self, at: int, version: int) -> None:
        """From this instant on no older version is right."""
        self._told.append((at, version))
        self._ready = False

    def at(self, instant: int) -> int:
        """The least version that is right for a call that begins at this instant."""
        if not self._ready:
            self._told.sort()
            most = 0
            for n, (at, version) in enumerate(self._told):
                most = max(most, version)
                self._told[n] = at, most
            self._ready = True
        found = bisect_left(self._told, (instant, -1))
        return self._told[found - 1][1] if found else 0


def check(
    histories: Mapping[str, Sequence[list[Any]]],
    staleness: float,
    timeout: float,
    stopped: Mapping[str, list[tuple[int, int]]],
    losses: Losses = NOTHING_LOST,
) -> Report:
    """Check the histories of all workers, by name.

    ``stopped``: from when to when the faults stopped a worker. ``losses``: what failovers may have lost.
    """
    report = Report()
    _answers(report, histories, round(staleness * SECOND), stopped, losses)
    _lateness(report, histories, timeout, stopped)
    _locks(report, histories, stopped, losses)
    return report


# -- answers ---------------------------------------------------------------------------------------


def _stalls(history: Sequence[list[Any]]) -> list[tuple[int, int]]:
    return [(facts[0], facts[1]) for kind, *facts in history if kind == "stall"]


def _answers(
    report: Report,
    histories: Mapping[str, Sequence[list[Any]]],
    staleness: int,
    stopped: Mapping[str, list[tuple[int, int]]],
    losses: Losses,
) -> None:
    at_server: defaultdict[tuple[str, int], Bound] = defaultdict(Bound)
    everywhere: defaultdict[tuple[str, int], Bound] = defaultdict(Bound)
    own: defaultdict[tuple[str, str, int], Bound] = defaultdict(Bound)
    newest: Counter[int] = Counter()
    for worker, history in histories.items():
        began, lives = 0, bool(history) and history[-1][0] == "end"
        for kind, *facts in history:
            if kind == "change":
                newest[facts[1]] = max(newest[facts[1]], facts[2])
                began = facts[0]
            elif kind == "told" and facts[3] in ("tag", "settled", "writing", "invalidate"):
                told, key, version, how = facts
                for name in (*FUNCTIONS, "aprice")[: len(FUNCTIONS) + (how != "invalidate")]:
                    at = losses.counts_from(worker, began, told, names_of(name, key), lives)
                    if at is None:
                        report.checked["changes that a failover may have lost"] += 1
                        continue
                    at_server[name, key].add(at, version)
                    own[worker, name, key].add(at, version)
                    everywhere[name, key].add(at if how == "settled" else at + staleness + SLACK, version)
    for worker, history in histories.items():
        stalls = _stalls(history) + stopped.get(worker, [])
        for kind, *facts in history:
            if kind != "read":
                continue
            began, took, name, key, version, down, _within = facts
            names = names_of(name, key)
            began = losses.looked_back(worker, began, began + took, names, name not in UNHELD)
            if down:  # W7: calls of a process share one computation then, which may have begun before them
                began -= SHARED + sum(end - start for start, end in stalls if end > began - SHARED and start < began)
            least = max(everywhere[name, key].at(began), own[worker, name, key].at(began))
            if name in UNHELD:
                least = max(least, at_server[name, key].at(began))
            report.checked["answers"] += 1
            if version < least:
                report.breach(f"{worker}: {name}({key}) at {began} gave {version}, {least} had been told")
            if version > newest[key]:
                report.breach(f"{worker}: {name}({key}) at {began} gave {version}, which never was")


# -- ends of calls ---------------------------------------------------------------------------------


def _lateness(
    report: Report,
    histories: Mapping[str, Sequence[list[Any]]],
    timeout: float,
    stopped: Mapping[str, list[tuple[int, int]]],
) -> None:
    for worker, history in histories.items():
        stalls = _stalls(history) + stopped.get(worker, [])
        for kind, *facts in history:
            if kind not in ("read", "failed"):
                continue
            began, took, name, within = facts[0], facts[1], facts[2], facts[-1]
            counting = {"count setitem": 2 * timeout}.get(name, timeout)  # ``c[k] += 1`` reads, then adds
            longest = within if within is not None else counting if name.startswith("count") else LONGEST
            report.checked["ends of calls"] += 1
            if took > (longest + LATE) * SECOND:
                over = took - (longest + LATE) * SECOND
                if over > sum(max(0, min(end, began + took) - max(start, began)) for start, end in stalls):
                    report.breach(f"{worker}: {name} at {began} took {took / SECOND:.2f} s, {longest} s was the bound")


# -- locks -----------------------------------------------------------------------------------------


def _locks(
    report: Report,
    histories: Mapping[str, Sequence[list[Any]]],
    stopped: Mapping[str, list[tuple[int, int]]],
    losses: Losses,
) -> None:
    key = (count_key("job", "one"),)
    taken = sorted(
        (facts[2], facts[0], facts[1], facts[3], worker)
        for worker, history in histories.items()
        for kind, *facts in history
        if kind == "lock"
    )
    report.checked["locks"] += len(taken)
    for (token, began, ended, lost, worker), (following, later, _, _, other) in itertools.pairwise(taken):
        if losses.lost(worker, began, ended, key) or losses.lost(other, later, later, key):
            continue  # a new primary may not know that it was taken
        if token == following:
            report.breach(f"two holders of the lock had the token {token}: {worker} and {other}")
        elif (
            later < ended
            and not lost
            and not any(start < ended and end > began for start, end in stopped.get(worker, []))
        ):
            report.breach(f"{other} took the lock ({following}) at {later} while {worker} held it ({token})")


def check_counts(
    report: Report,
    histories: Mapping[str, Sequence[list[Any]]],
    visits: Mapping[str, int],
    totals: Mapping[str, int],
    seen: Iterable[str],
    losses: Losses = NOTHING_LOST,
) -> None:
    """Each acknowledged count exactly once, each unacknowledged one at most once, by what the server has in the end.

    But for acknowledged ones that a failover may have lost.
    """
    members = set(seen)
    for worker, history in histories.items():
        sent: defaultdict[str, dict[int, int]] = defaultdict(dict)
        done: defaultdict[str, dict[int, int]] = defaultdict(dict)
        for kind, *facts in history:
            if kind in ("count", "counted"):
                (sent if kind == "count" else done)[facts[1]][facts[2]] = facts[0]
        for field, numbers in sent.items():
            way = field.rpartition(".")[2]
            report.checked["counts"] += len(numbers)

            def lasting(what: str, numbers: dict[int, int] = numbers, acked: dict[int, int] = done[field]) -> set[int]:
                key = (count_key(what, worker),)  # noqa: B023 - called in this round
                return {n for n, at in acked.items() if not losses.lost(worker, numbers[n], at, key)}  # noqa: B023

            if way in ("add", "pipeline"):
                lost = [each for each in lasting("seen") if f"{field}.{each}" not in members]
                if lost:
                    report.breach(f"{worker}: {len(lost)} acknowledged elements are not there: {lost[:5]}")
            if way == "add":
                continue
            value = totals.get(worker, 0) if way == "total" else visits.get(field, 0)
            least = len(lasting("total" if way == "total" else "visits"))
            report.checked["counts that a failover may have lost"] += len(done[field]) - least
            report.checked["counts that a failover has lost"] += max(0, len(done[field]) - value)
            if not least <= value <= len(numbers):
                report.breach(f"{field}: {least} of {len(numbers)} were acknowledged, the server has {value}")


def check_end(
    report: Report,
    versions: Mapping[int, int],
    untold: set[tuple[str, int]],
    answers: Mapping[tuple[str, int], int],
) -> None:
    """After all faults have ended: nobody gets an old version, unless the worker that had to tell of it was killed."""
    for (name, key), version in answers.items():
        if (name, key) in untold:
            continue
        report.checked["last answers"] += 1
        if version != versions[key]:
            report.breach(f"in the end {name}({key}) gives {version}, the source has {versions[key]}")
