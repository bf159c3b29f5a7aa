"""One run: servers, workers, faults, then the history and what the servers have in the end."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import rcollections
from rcollections.testing import isolated

from .check import SECOND, Report, check, check_counts, check_end
from .computations import check_computations
from .crew import Crew
from .errors import check_errors
from .events import Log, read_log
from .faults import shown
from .functions import FUNCTIONS, Functions, names_of
from .grounds import STALENESS, ground
from .losses import Losses
from .source import Source
from .tally import Seen, Total, Visits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .grounds import Ground

__all__ = ["torture"]

KEYS = 12
CALM = 1.0  # seconds before the first fault
AFTER = 7.0  # seconds after the last fault in which a failed invalidation is carried out by itself


class Told(Report):
    """A report with what was injected."""

    injected: dict[str, int]
    kept: Path | None = None

    def text(self) -> str:
        faults = ", ".join(f"{name} {count}" for name, count in sorted(self.injected.items()))
        checked = ", ".join(f"{count:,} {name}" for name, count in sorted(self.checked.items()))
        broken = "".join(f"\n  {each}" for each in self.broken[:20])
        end = f"{len(self.broken)} breaches (histories in {self.kept}):{broken}" if self.broken else "no breach"
        return f"injected: {faults}\nchecked: {checked}\n{end}"


def torture(
    seed: int,
    seconds: float,
    workers: int,
    kind: str = "valkey",
    only: Sequence[str] = (),
    after: float = AFTER,
    planted: str = "",
) -> Told:
    """Run the worst day, and check its history. Breaches stand in the report; the histories are kept then.

    ``kind`` is one of ``grounds.KINDS``, ``only`` are the names of the faults that are wanted, if not all are.
    ``planted`` is one of ``planted.PLANTED``: a fault of the library that has to be found.
    """
    home = Path(tempfile.mkdtemp(prefix="rc-torture-"))
    with ground(kind) as here:
        source = Source(home / "source", KEYS)
        crew = Crew(home, seed, KEYS, here, workers, planted)
        injector = here.injector(seed, crew, source)
        crew.wait()
        time.sleep(CALM)
        try:
            injector.run(seconds, only)
            time.sleep(after)
        finally:
            wrong = crew.end()
        histories = {path.stem: read_log(path) for path in sorted(home.glob("w*.log"))}
        losses = Losses(injector.losses, round(STALENESS * SECOND), again=here.again)
        report = Told()
        checked = check(histories, STALENESS, here.timeout, crew.stops, losses)
        report.checked, report.broken, report.injected = (
            checked.checked,
            wrong + checked.broken,
            dict(injector.injected),
        )
        check_computations(report, histories, injector.when)
        check_errors(report, histories, injector.when if here.several else None, here.timeout)
        _last_looks(report, histories, source, home, here, losses)
    if report.broken:
        (home / "faults").write_text("\n".join(map(shown, [*injector.when, *injector.losses])))
        report.kept = home
    else:
        shutil.rmtree(home)
    return report


def _last_looks(
    report: Report, histories: dict[str, list[list[Any]]], source: Source, home: Path, here: Ground, losses: Losses
) -> None:
    with isolated():
        rcollections.configure({"default": here.dsns[0], "counts": here.dsns[1]})
        functions = Functions(source, Log(home / "last.log"))
        answers = {(name, key): functions.call(name, key) for name in FUNCTIONS for key in range(KEYS)}
        untold = _untold(histories, source, losses)
        check_end(report, {key: source.version(key) for key in range(KEYS)}, untold, answers)
        totals = {worker: Total(worker).get(0) for worker in histories}
        visits = {field: count for worker in histories for field, count in Visits(worker).to_dict().items()}
        check_counts(report, histories, visits, totals, {each for worker in histories for each in Seen(worker)}, losses)


def _untold(histories: dict[str, list[list[Any]]], source: Source, losses: Losses) -> set[tuple[str, int]]:
    """Functions and keys whose last change nobody told, or nobody could: the worker was killed, with what it had kept.

    Or a failover may have lost the invalidation, and nobody sends it again.
    """
    told: dict[tuple[str, int], int] = {}
    for worker, history in histories.items():
        ended = bool(history) and history[-1][0] == "end"
        began = 0
        for kind, *facts in history:
            if kind == "change":
                began = facts[0]
            if kind == "told" and (ended or facts[3] in ("tag", "settled", "writing", "invalidate")):
                at, key, version = facts[:3]
                for name in FUNCTIONS:
                    if losses.counts_from(worker, began, at, names_of(name, key), ended) is not None:
                        told[name, key] = max(told.get((name, key), 0), version)
    return {(name, key) for name in FUNCTIONS for key in range(KEYS) if told.get((name, key), 0) < source.version(key)}
