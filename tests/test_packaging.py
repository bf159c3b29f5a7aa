"""However it is installed, the package finds its Lua scripts and works."""

from __future__ import annotations

import importlib.util
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
from rcollections.plans.scripts import lua_dir, names, source
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


def run(*words: object, cwd: Path, path: str = "", **variables: str) -> str:
    """Run a command; its output, or a failed test with all that it said."""
    environment = {**os.environ, "PYTHONPATH": path, "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    environment |= {"RCOLLECTIONS_PURE": "1", **variables}  # compiling takes its time: where it is what is tested
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


def pip(*words: object, cwd: Path, **variables: str) -> None:
    run(sys.executable, "-m", "pip", *words, "--no-deps", "--no-build-isolation", "--quiet", cwd=cwd, **variables)


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
    assert {"rcollections/l1/_store.pyx", "rcollections/l1/_store.pyi"} <= names
    assert not [name for name in names if name.endswith((".c", ".so", ".pyd"))]
    pip("install", "--target", tmp_path / "site", archive, cwd=tmp_path)
    works(tmp_path / "site", tmp_path)


def test_an_editable_install(checkout: Path, tmp_path: Path) -> None:
    """``pip install -e`` finds lua/ at the top of the sources."""
    pip("install", "--prefix", tmp_path / "prefix", "--ignore-installed", "-e", checkout, cwd=tmp_path)
    scheme = {"base": str(tmp_path / "prefix"), "platbase": str(tmp_path / "prefix")}
    works(checkout, tmp_path, site=Path(sysconfig.get_path("purelib", "posix_prefix", scheme)))


def compiled(place: Path) -> str:
    """What the package at that place says of its store."""
    code = "import rcollections.l1 as l1; print(l1.COMPILED, l1.__file__)"
    said, file = run(sys.executable, "-c", code, cwd=place, path=str(place), RCOLLECTIONS_PURE="").split(maxsplit=1)
    assert file.startswith(str(place.resolve()))
    return said


def can_compile() -> bool:
    words = (sysconfig.get_config_var("CC") or "cc").split()
    return importlib.util.find_spec("Cython") is not None and shutil.which(words[0]) is not None


@pytest.mark.skipif(not can_compile(), reason="needs Cython and a compiler")
def test_the_store_is_compiled_where_that_is_possible(checkout: Path, tmp_path: Path) -> None:
    """A wheel carries the compiled store; nothing that compiling makes is left among the sources."""
    shutil.copytree(checkout, tmp_path / "sources")
    pip("wheel", "-w", tmp_path / "dist", tmp_path / "sources", cwd=tmp_path, RCOLLECTIONS_PURE="")
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    pip("install", "--target", tmp_path / "site", wheel, cwd=tmp_path)
    assert compiled(tmp_path / "site") == "True"
    works(tmp_path / "site", tmp_path)
    assert not list((tmp_path / "sources" / "rcollections").rglob("*.c"))


@pytest.mark.skipif(not can_compile(), reason="needs Cython and a compiler")
def test_an_editable_install_compiles_too(checkout: Path, tmp_path: Path) -> None:
    """The compiled store is beside its source, where git does not see it."""
    shutil.copytree(checkout, tmp_path / "sources")
    words = ("install", "--prefix", tmp_path / "prefix", "--ignore-installed", "-e", tmp_path / "sources")
    pip(*words, cwd=tmp_path, RCOLLECTIONS_PURE="")
    assert compiled(tmp_path / "sources") == "True"


@pytest.mark.parametrize("missing", ["compiler", "Cython"])
def test_it_installs_without(missing: str, checkout: Path, tmp_path: Path) -> None:
    """No compiler, or no Cython: it is installed all the same, with the store in Python."""
    shutil.copytree(checkout, tmp_path / "sources")
    if missing == "compiler":
        variables, path = {"CC": "/bin/false", "CXX": "/bin/false"}, ""
    else:
        (tmp_path / "none").mkdir()
        (tmp_path / "none" / "Cython.py").write_text("raise ImportError('not here')")
        variables, path = {}, str(tmp_path / "none")
    words = (sys.executable, "-m", "pip", "install", "--target", tmp_path / "site", tmp_path / "sources")
    run(*words, "--no-deps", "--no-build-isolation", "-q", cwd=tmp_path, path=path, RCOLLECTIONS_PURE="", **variables)
    assert compiled(tmp_path / "site") == "False"
    works(tmp_path / "site", tmp_path)


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
