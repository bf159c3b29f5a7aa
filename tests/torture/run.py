"""One run: servers, proxies, workers, faults, then the history and what the servers have in the end."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import rcollections
from rcollections.testing import Proxy, Server, isolated

from .check import Report, check, check_counts, check_end
from .computations import check_computations
from .crew import Crew
from .events import Log, read_log
from .faults import Injector
from .functions import FUNCTIONS, Functions
from .source import Source
from .tally import Seen, Total, Visits

if TYPE_CHECKING:
    from typing import Any

__all__ = ["torture"]

KEYS = 12
STALENESS, TIMEOUT = 0.5, 0.5
OPTIONS = f"timeout={TIMEOUT}&connect_timeout={TIMEOUT}&staleness={STALENESS}&namespace=t"
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


def torture(seed: int, seconds: float, workers: int, kind: str = "valkey") -> Told:
    """Run the worst day, and check its history. Breaches stand in the report; the histories are kept then."""
    home = Path(tempfile.mkdtemp(prefix="rc-torture-"))
    with (
        Server(kind) as one, Server(kind) as two,
        Server(kind, config={"appendonly": "yes", "appendfsync": "everysec"}) as counts,
        Proxy(one) as before_cache, Proxy(counts) as before_counts,
    ):  # fmt: skip
        dsns = [f"{proxy.dsn}?{OPTIONS}" for proxy in (before_cache, before_counts)]
        source = Source(home / "source", KEYS)
        crew = Crew(home, seed, KEYS, dsns, workers)
        injector = Injector(seed, crew, source, [one, two, counts], [before_cache, before_counts])
        time.sleep(CALM)
        injector.run(seconds)
        time.sleep(AFTER)
        wrong = crew.end()
        histories = {path.stem: read_log(path) for path in sorted(home.glob("w*.log"))}
        report = Told()
        checked = check(histories, STALENESS, TIMEOUT, crew.stops)
        report.checked, report.broken, report.injected = (
            checked.checked,
            wrong + checked.broken,
            dict(injector.injected),
        )
        check_computations(report, histories, injector.when)
        _last_looks(report, histories, source, home, dsns)
    if report.broken:
        report.kept = home
    else:
        shutil.rmtree(home)
    return report


def _last_looks(
    report: Report, histories: dict[str, list[list[Any]]], source: Source, home: Path, dsns: list[str]
) -> None:
    with isolated():
        rcollections.configure({"default": dsns[0], "counts": dsns[1]})
        functions = Functions(source, Log(home / "last.log"))
        answers = {(name, key): functions.call(name, key) for name in FUNCTIONS for key in range(KEYS)}
        check_end(report, {key: source.version(key) for key in range(KEYS)}, _untold(histories, source), answers)
        workers = list(histories)
        totals = {worker: Total(worker).get(0) for worker in workers}
        check_counts(report, histories, Visits().to_dict(), totals, Seen())


def _untold(histories: dict[str, list[list[Any]]], source: Source) -> set[int]:
    """Keys whose last change nobody told, or nobody could: the worker was killed, with what it had kept."""
    told: dict[int, int] = {}
    for history in histories.values():
        ended = history and history[-1][0] == "end"
        for kind, *facts in history:
            if kind == "told" and (ended or facts[3] in ("tag", "settled", "writing", "invalidate")):
                told[facts[1]] = max(told.get(facts[1], 0), facts[2])
    return {key for key in range(KEYS) if told.get(key, 0) < source.version(key)}
