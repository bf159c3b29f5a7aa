"""The locks of the compiled store, which only builds without the GIL need, watched on one that has it.

Built with RC_WATCHED its lock is a flag: to lock twice, to unlock what is not locked, ends the process. Under the
GIL nobody else runs between the two, so whatever finds it locked is the holder itself, or code of others that
the holder let in: a deadlock without the GIL.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SUITES = ("store", "tier", "tier_proof", "hit", "twins", "twin_threads")

WATCHED = """
import importlib.util, sys
sys.path.insert(0, {root!r})
import pytest
import rcollections.l1
for name, path in {built!r}.items():
    spec = importlib.util.spec_from_file_location("rcollections.l1." + name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules["rcollections.l1." + name] = module
    setattr(rcollections.l1, name, module)
which = "(compiled or both_twins) and not million and not environment and not child and not real_time"
quiet = "ignore::pytest.PytestAssertRewriteWarning"  # the package is imported before pytest begins
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-W", quiet, "--rootdir", {root!r}, *{tests!r}, "-k", which]))
"""


@pytest.mark.long
def test_every_step_locks_once_and_unlocks(tmp_path: Path) -> None:
    """The suites of store, tier and quick call on the watched build: code of others that uses them at every moment."""
    pytest.importorskip("Cython")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("rcollections", "lua"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
    build = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--build-lib", "built"],
        cwd=tmp_path,
        env={**os.environ, "CFLAGS": "-O0 -DRC_WATCHED", "RCOLLECTIONS_PURE": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    names = ("_store", "_words", "_tier", "_hit")  # each stands upon those before it
    found = {
        name: each for name in names for end in ("so", "pyd") for each in (tmp_path / "built").rglob(f"{name}.*{end}")
    }
    if build.returncode or not found:
        pytest.skip("the store cannot be compiled here")
    for name, each in found.items():
        assert name == "_words" or b"locked twice" in each.read_bytes()  # which has no lock
    tests = [str(ROOT / f"tests/contract/test_{name}.py") for name in SUITES]
    code = WATCHED.format(root=str(ROOT), built={name: str(found[name]) for name in names}, tests=tests)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
