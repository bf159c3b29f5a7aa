"""The house: imports point down, no two files need each other, and few rooms know the world outside."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.imports import PACKAGE, arrows, circles, foreign, modules, room

if TYPE_CHECKING:
    from pathlib import Path

# From the top down: each imports only its own room and what stands below it. Type checkers' imports count.
ORDER = (
    "__main__", "cli", "testing", "contrib", "__init__", "decorators", "collections", "functions", "handles", "servers",
    "coherence", "wire", "plans", "values", "observe", "l1", "version", "missing", "key", "errors", "forks",
)  # fmt: skip
# Inside of ``plans/`` the same: what serves both stands below them.
PLANS = ("cluster", "collections", "functions", "")
MAY_KNOW_THE_WORLD = {"wire", "servers", "coherence", "testing", "contrib", "cli"}
WORLD = {"redis", "asyncio", "socket", "selectors", "ssl", "subprocess", "hiredis", "fakeredis"}


def _upward() -> list[str]:
    found = [(module, other) for module, others in arrows().items() for other in others]
    return [f"{a} -> {b}" for a, b in found if ORDER.index(room(a)) > ORDER.index(room(b))]


def _floors() -> int:
    """How many rooms stand above one another, by who imports whom."""
    below: dict[str, set[str]] = {}
    for module, others in arrows().items():
        below.setdefault(room(module), set()).update(map(room, others))
    height: dict[str, int] = {}
    for each in reversed(ORDER):
        if each in below:
            height[each] = 1 + max((height[other] for other in below[each] - {each} if other in height), default=0)
    return max(height.values())


def test_the_house(capsys: pytest.CaptureFixture[str]) -> None:
    """At most 20 rooms at the top, no arrow upward, no circle: of rooms or of files, in one folder or over several."""
    rooms = sorted({room(module) for module in modules()})
    upward, round_ = _upward(), circles()
    with capsys.disabled():
        told = f"{len(rooms)} rooms, {_floors()} floors, {len(upward)} upward arrows, {len(round_)} circles"
        sys.stdout.write(f"\nthe house: {len(modules())} files in {told}\n")
    assert set(rooms) <= set(ORDER), "a new room needs its place in ORDER, and in docs/design.md"
    assert len(rooms) <= 20
    assert not upward
    assert not round_


def test_inside_plans_the_collections_stand_above_the_functions() -> None:
    """``plans/functions`` imports no ``plans/collections``, and what serves both imports neither."""
    for module, others in arrows().items():
        for other in others:
            if room(module) == room(other) == "plans":
                assert _part(module) <= _part(other), f"{module} imports {other}"


def _part(module: str) -> int:
    parts = module.split(".")
    return PLANS.index(parts[2]) if len(parts) > 3 or parts[-1] in PLANS else PLANS.index("")


@pytest.mark.parametrize("module", modules())
def test_few_rooms_know_the_world_outside(module: str) -> None:
    """Elsewhere nothing imports redis, asyncio or sockets, and nothing sleeps."""
    if room(module) in MAY_KNOW_THE_WORLD:
        return
    assert not foreign(module) & WORLD
    assert "sleep(" not in modules()[module].read_text().replace("Sleep(", "")


def test_plans_know_no_clock() -> None:
    """``plans/`` asks for the time by an effect, so that tests can tell it."""
    for module in modules():
        if room(module) == "plans":
            assert "time" not in foreign(module)


def test_importing_reads_no_environment_and_opens_nothing(tmp_path: Path) -> None:
    """``import rcollections`` works with a DSN that is wrong, since nobody reads it yet; it brings no redis."""
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise SystemExit('a socket was opened')\n"
        "socket.socket.connect = refuse\n"
        "import rcollections, rcollections.observe\n"
        "brought = {'redis', 'asyncio', 'fakeredis', 'ssl', 'pytest'} & set(sys.modules)\n"
        "sys.exit(f'imported: {brought}' if brought else 0)\n"
    )
    environment = {**os.environ, "CACHES_DSN": "nonsense", "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_nothing_is_public_by_accident() -> None:
    """What the package has as attributes is what it says to have, and its rooms."""
    code = (
        "import rcollections\n"
        "print(*(n for n in vars(rcollections) if not n.startswith('_') and n not in rcollections.__all__))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(out) <= {*ORDER, "annotations"}
