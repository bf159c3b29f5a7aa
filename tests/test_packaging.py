"""However it is installed, the package finds its Lua scripts and works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
IGNORED = shutil.ignore_patterns(
    ".git", ".venv*", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis", "*.so"
)

# Run by the interpreter of these tests, but with the package from the place that is being tested.
USE = """
import sys
place = sys.argv[1]
if len(sys.argv) > 2:  # started with -S: what is installed editable in this environment stays out of sight
    import site
    sys.path += sys.argv[2:]  # before what is looked up by the next line: both have a finder of one name
    site.addsitedir(sys.argv[2])
import rcollections
from rcollections.wire.scripts import lua_dir, names, source
assert rcollections.__file__.startswith(place), rcollections.__file__
assert str(lua_dir()).startswith(place), lua_dir()
assert len(names()) > 15 and all(source(name).text for name in names())
rcollections.configure("memory://")
d = rcollections.DictCache("d", data={"a": 1})
d.increment("a")
assert d.to_dict() == {"a": 2}
import pathlib
assert (pathlib.Path(rcollections.__file__).parent / "py.typed").exists()
print("works")
"""


def run(*words: object, cwd: Path, path: str = "") -> str:
    """Run a command; its output, or a failed test with all that it said."""
    environment = {**os.environ, "PYTHONPATH": path, "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    environment.pop("CACHES_DSN", None)
    done = subprocess.run([str(word) for word in words], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def works(place: Path, cwd: Path, *, site: Path | None = None) -> None:
    """The package at that place can be used."""
    words = ["-c", USE, place.resolve()]
    if site is not None:
        words = ["-S", *words, site, sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    out = run(sys.executable, *words, cwd=cwd, path="" if site else str(place))
    assert "works" in out


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, as a clone would be."""
    copy = tmp_path_factory.mktemp("sources") / "rcollections"
    shutil.copytree(ROOT, copy, ignore=IGNORED)
    return copy


def pip(*words: object, cwd: Path) -> None:
    run(sys.executable, "-m", "pip", *words, "--no-deps", "--no-build-isolation", "--quiet", cwd=cwd)


def test_a_bare_checkout(checkout: Path, tmp_path: Path) -> None:
    """``PYTHONPATH=checkout`` is enough."""
    works(checkout, tmp_path)


def test_a_wheel(checkout: Path, tmp_path: Path) -> None:
    """The wheel carries lua/ inside the package, and no tests."""
    pip("wheel", "-w", tmp_path / "dist", checkout, cwd=tmp_path)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    pip("install", "--target", tmp_path / "site", wheel, cwd=tmp_path)
    works(tmp_path / "site", tmp_path)
    assert (tmp_path / "site" / "rcollections" / "lua" / "lib").is_dir()
    assert not (tmp_path / "site" / "tests").exists()


def test_an_sdist(checkout: Path, tmp_path: Path) -> None:
    """The sdist builds again into a working package, and carries what a packager needs."""
    code = f"from setuptools import build_meta; print(build_meta.build_sdist({str(tmp_path)!r}))"
    run(sys.executable, "-c", code, cwd=checkout)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        names = {name.split("/", 1)[-1] for name in packed.getnames()}
    assert {"lua/hash_set.lua", "lua/lib/arm.lua", "tests/conftest.py", "README.md", "LICENSE", "Makefile"} <= names
    pip("install", "--target", tmp_path / "site", archive, cwd=tmp_path)
    works(tmp_path / "site", tmp_path)


def test_an_editable_install(checkout: Path, tmp_path: Path) -> None:
    """``pip install -e`` finds lua/ at the top of the sources."""
    pip("install", "--prefix", tmp_path / "prefix", "--ignore-installed", "-e", checkout, cwd=tmp_path)
    scheme = {"base": str(tmp_path / "prefix"), "platbase": str(tmp_path / "prefix")}
    works(checkout, tmp_path, site=Path(sysconfig.get_path("purelib", "posix_prefix", scheme)))


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_an_install_from_a_git_url(checkout: Path, tmp_path: Path) -> None:
    """``pip install git+https://…`` gets everything that is committed."""
    repository = tmp_path / "repository"
    shutil.copytree(checkout, repository, ignore=IGNORED)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        run(*git, *words, cwd=repository)
    pip("install", "--target", tmp_path / "site", f"git+file://{repository}", cwd=tmp_path)
    works(tmp_path / "site", tmp_path)
