"""Imports point down, and only ``wire/`` knows redis, sockets, asyncio or sleep."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "rcollections"

# Lower number: lower layer. A module imports its own layer or below; within a layer see SAME below.
LAYERS = {
    "errors": 0,
    "missing": 0,
    "count": 0,
    "l1": 1,
    "observe": 1,
    "plans": 1,
    "wire": 2,
    "attributes": 3,
    "edit": 3,
    "inprocess": 3,
    "filling": 3,
    "nearby": 3,
    "pipeline": 3,
    "basecache": 4,
    "hashcache": 5,
    "keycache": 6,
    "dictcache": 6,
    "setcache": 6,
    "sortedsetcache": 6,
    "countercache": 6,
    "identity": 7,
    "cachedoptions": 7,
    "arguments": 7,
    "localcache": 7,
    "recipes": 7,
    "writing": 5,
    "cachedbase": 7,
    "background_calls": 7,
    "async_background_calls": 7,
    "cachedfunction": 7,
    "asyncfunction": 7,
    "multicached": 8,
    "decorators": 8,
    "testing": 8,
    "__init__": 8,
    "cli": 9,
    "__main__": 9,
}
# Inside a method, when it is called: KeyCache.cached() is the decorator under a second name.
UPWARDS = {("keycache", name) for name in ("decorators", "cachedfunction", "asyncfunction")}
OUTSIDE = {"redis", "asyncio", "socket", "selectors", "ssl", "subprocess", "hiredis", "fakeredis"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> list[tuple[str, bool]]:
    """Absolute names that a module imports; True for those that only type checkers see."""
    tree = ast.parse(path.read_text())
    package = ("rcollections", *path.relative_to(PACKAGE).parts[:-1])
    typing_only = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for part in node.body
        for child in ast.walk(part)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in typing_only) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            name = ".".join([*base, *([node.module] if node.module else [])])
            found += [(f"{name}.{alias.name}", id(node) in typing_only) for alias in node.names]
    return found


def room(name: str) -> str:
    """The room of a dotted name or path part inside the package."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    """A module imports only from its own layer or below, type annotations included."""
    relative = path.relative_to(PACKAGE)
    own = relative.parts[0] if len(relative.parts) > 1 else relative.stem
    assert own in LAYERS, f"{own} has no layer: add it to LAYERS, and to docs/design.md"
    for name, _ in imports(path):
        if not name.startswith("rcollections") or name == "rcollections.testing":
            continue
        target = room(name)
        if (own, target) in UPWARDS:
            continue
        if target not in LAYERS:  # a name of the package itself, such as rcollections.KeyCache
            target = "__init__"
        assert LAYERS[target] <= LAYERS[own], f"{relative} (layer {LAYERS[own]}) imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_wire_knows_redis_sockets_and_sleep(path: Path) -> None:
    """Outside ``wire/`` nothing imports redis, asyncio or sockets, and nothing sleeps."""
    if path.relative_to(PACKAGE).parts[0] == "wire":
        return
    for name, typing_only in imports(path):
        assert typing_only or name.split(".")[0] not in OUTSIDE, f"{path.name} imports {name}"
    assert "sleep(" not in path.read_text().replace("Sleep(", "")


def test_plans_do_no_input_or_output() -> None:
    """``plans/`` imports nothing of ``wire/``, and no clock."""
    for path in (PACKAGE / "plans").glob("*.py"):
        for name, typing_only in imports(path):
            assert typing_only or not name.startswith(("rcollections.wire", "time")), f"{path.name} imports {name}"


def test_importing_reads_no_environment_and_opens_nothing(tmp_path: Path) -> None:
    """``import rcollections`` works with a DSN that is wrong, since nobody reads it yet."""
    import os
    import subprocess
    import sys

    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise SystemExit('a socket was opened')\n"
        "socket.socket.connect = refuse\n"
        "import rcollections\n"
        "sys.exit('fakeredis' in sys.modules and 'fakeredis was imported' or 0)\n"
    )
    environment = {**os.environ, "CACHES_DSN": "nonsense", "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
