"""However it is built and installed: all files are there, nothing is out of date, the package works."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from email.message import Message

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


# Ends at the first warning, whatever the category: what is deprecated today does not build tomorrow.
BUILD = """
import sys, warnings
from setuptools import build_meta
warnings.simplefilter("error")
print(getattr(build_meta, sys.argv[1])(sys.argv[2]))
"""


def attempt(*words: object, cwd: Path, path: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command, and say how it went."""
    environment = {**os.environ, "PYTHONPATH": path, "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    environment |= {"RCOLLECTIONS_PURE": "1", **variables}  # compiling takes its time: where it is what is tested
    for name in ("CACHES_DSN", *({"RCOLLECTIONS_REQUIRE_COMPILED"} - set(variables))):
        environment.pop(name, None)
    return subprocess.run([str(word) for word in words], cwd=cwd, env=environment, capture_output=True, text=True)


def run(*words: object, cwd: Path, path: str = "", **variables: str) -> str:
    """Run a command; its output, or a failed test with all that it said."""
    done = attempt(*words, cwd=cwd, path=path, **variables)
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


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the sources, built without one warning."""
    work = tmp_path_factory.mktemp("wheel")
    shutil.copytree(checkout, work / "sources")
    run(sys.executable, "-c", BUILD, "build_wheel", work, cwd=work / "sources")
    (built,) = work.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where that wheel is installed, and nothing else."""
    target = tmp_path_factory.mktemp("site")
    pip("install", "--target", target, wheel, cwd=target)
    return target


def test_a_bare_checkout(checkout: Path, tmp_path: Path) -> None:
    """``PYTHONPATH=checkout`` is enough."""
    works(checkout, tmp_path)


def test_a_wheel(site: Path, tmp_path: Path) -> None:
    """Installed from a wheel it works."""
    works(site, tmp_path)


def test_the_wheel_has_every_file_of_the_package(wheel: Path, checkout: Path) -> None:
    """Each folder of Python, each script, the stubs, the plugin; and neither tests nor what compiling left."""
    with zipfile.ZipFile(wheel) as packed:
        inside = {name for name in packed.namelist() if ".dist-info/" not in name}
    homes = {"rcollections": "rcollections", "lua": "rcollections/lua"}
    wanted = {
        f"{home}/{file.relative_to(checkout / folder).as_posix()}"
        for folder, home in homes.items()
        for file in (checkout / folder).rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }
    assert inside == wanted | {"pytest_rcollections.py"}
    assert {"rcollections/py.typed", "rcollections/lua/lib/arm.lua", *compiled_sources()} <= inside


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as packed:
        (name,) = (name for name in packed.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(packed.read(name).decode())


def test_the_metadata(metadata: Message) -> None:
    """What an index shows: the licence in SPDX form, who, where, and for which Python."""
    classifiers = metadata.get_all("Classifier", [])
    assert metadata["Name"] == "rcollections"
    assert metadata["Author"] == "The rcollections authors"
    assert metadata["License-Expression"] == "MIT"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert metadata["License"] is None
    assert not [each for each in classifiers if each.startswith("License")]
    assert metadata["Requires-Python"] == ">=3.11"
    assert [each for each in classifiers if "Python :: 3" in each] == [
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
    ]
    assert {
        "Development Status :: 4 - Beta",
        "Framework :: AsyncIO",
        "Framework :: Pytest",
        "Operating System :: POSIX",
        "Programming Language :: Cython",
        "Typing :: Typed",
    } <= set(classifiers)


def test_the_urls(metadata: Message, checkout: Path) -> None:
    """Five, all of one home, and the pages they name are in the sources."""
    urls = dict(each.split(", ", 1) for each in metadata.get_all("Project-URL", []))
    assert sorted(urls) == ["Changelog", "Documentation", "Issues", "Security", "Source"]
    assert all(url.startswith(urls["Source"]) for url in urls.values())
    pages = [url.partition("/blob/main/")[2] for url in urls.values() if "/blob/" in url]
    assert sorted(pages) == ["CHANGELOG.md", "docs/index.md"]
    assert all((checkout / page).is_file() for page in [*pages, "SECURITY.md"])


def test_pytest_finds_the_fixture_of_an_installed_package(site: Path, tmp_path: Path) -> None:
    """``fresh`` is there without a conftest."""
    (tmp_path / "test_mine.py").write_text("def test_it(fresh):\n    assert fresh.raw('DBSIZE') == 0\n")
    words = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert "1 passed" in run(*words, cwd=tmp_path, path=str(site))


def test_the_plugin_costs_other_projects_nothing(site: Path, tmp_path: Path) -> None:
    """pytest imports it wherever the package is installed: it brings neither the package nor a client along."""
    code = "import pytest, sys; known = set(sys.modules); import pytest_rcollections; print(*set(sys.modules) - known)"
    imported = run(sys.executable, "-c", code, cwd=tmp_path, path=str(site)).split()
    assert imported == ["pytest_rcollections"]


def test_an_sdist(checkout: Path, tmp_path: Path) -> None:
    """The sdist is built without one warning, builds again, and carries what a packager needs."""
    run(sys.executable, "-c", BUILD, "build_sdist", tmp_path, cwd=checkout)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        names = {name.split("/", 1)[-1] for name in packed.getnames()}
    assert {"lua/hash_set.lua", "lua/lib/arm.lua", "tests/conftest.py", "README.md", "LICENSE", "Makefile"} <= names
    assert {*compiled_sources(), "pytest_rcollections.py"} <= names
    assert {"CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/index.md"} <= names
    assert not [name for name in names if name.endswith((".c", ".so", ".pyd"))]
    pip("install", "--target", tmp_path / "site", archive, cwd=tmp_path)
    works(tmp_path / "site", tmp_path)


def test_an_editable_install(checkout: Path, tmp_path: Path) -> None:
    """``pip install -e`` finds lua/ at the top of the sources."""
    pip("install", "--prefix", tmp_path / "prefix", "--ignore-installed", "-e", checkout, cwd=tmp_path)
    scheme = {"base": str(tmp_path / "prefix"), "platbase": str(tmp_path / "prefix")}
    works(checkout, tmp_path, site=Path(sysconfig.get_path("purelib", "posix_prefix", scheme)))


def compiled_sources() -> set[str]:
    """The modules that are compiled where that is possible: each has its source and its stub in every package."""
    names = {"coherence/_ear", "l1/_hit", "l1/_store", "l1/_tier", "l1/_words", "wire/_line"}
    package = ROOT / "rcollections"
    assert {path.relative_to(package).with_suffix("").as_posix() for path in package.rglob("*.pyx")} == names
    return {f"rcollections/{name}{kind}" for name in names for kind in (".pyx", ".pyi")}


def compiled(place: Path) -> str:
    """What the package at that place says of its store."""
    code = "import rcollections.l1 as l1; print(l1.COMPILED, l1.__file__)"
    said, file = run(sys.executable, "-c", code, cwd=place, path=str(place), RCOLLECTIONS_PURE="").split(maxsplit=1)
    assert file.startswith(str(place.resolve()))
    return said


def can_compile() -> bool:
    words = (sysconfig.get_config_var("CC") or "cc").split()
    return importlib.util.find_spec("Cython") is not None and shutil.which(words[0]) is not None


@pytest.mark.long
@pytest.mark.skipif(not can_compile(), reason="needs Cython and a compiler")
def test_the_store_is_compiled_where_that_is_possible(checkout: Path, tmp_path: Path) -> None:
    """A wheel carries the compiled store; nothing that compiling makes is left among the sources."""
    shutil.copytree(checkout, tmp_path / "sources")
    pip("wheel", "-w", tmp_path / "dist", tmp_path / "sources", cwd=tmp_path, RCOLLECTIONS_PURE="")
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    pip("install", "--target", tmp_path / "site", wheel, cwd=tmp_path)
    assert compiled(tmp_path / "site") == "True"
    for name in compiled_sources():  # each of them
        folder, stem = (tmp_path / "site" / name).parent, Path(name).stem
        assert list(folder.glob(f"{stem}.*.so")) or os.name != "posix", name
    works(tmp_path / "site", tmp_path)
    assert not list((tmp_path / "sources" / "rcollections").rglob("*.c"))


@pytest.mark.long
@pytest.mark.skipif(not can_compile(), reason="needs Cython and a compiler")
def test_an_editable_install_compiles_too(checkout: Path, tmp_path: Path) -> None:
    """The compiled store is beside its source, where git does not see it; whoever requires it gets it."""
    shutil.copytree(checkout, tmp_path / "sources")
    words = ("install", "--prefix", tmp_path / "prefix", "--ignore-installed", "-e", tmp_path / "sources")
    pip(*words, cwd=tmp_path, RCOLLECTIONS_PURE="", RCOLLECTIONS_REQUIRE_COMPILED="1")
    assert compiled(tmp_path / "sources") == "True"


def without(missing: str, tmp_path: Path) -> dict[str, str]:
    """The environment of a build that has no compiler, or no Cython."""
    if missing == "compiler":
        return {"CC": "/bin/false", "CXX": "/bin/false", "RCOLLECTIONS_PURE": ""}
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "Cython.py").write_text("raise ImportError('not here')")
    return {"path": str(tmp_path / "none"), "RCOLLECTIONS_PURE": ""}


@pytest.mark.parametrize("missing", ["compiler", "Cython"])
def test_it_installs_without(missing: str, checkout: Path, tmp_path: Path) -> None:
    """No compiler, or no Cython: it is installed all the same, with the store in Python."""
    shutil.copytree(checkout, tmp_path / "sources")
    words = (sys.executable, "-m", "pip", "install", "--target", tmp_path / "site", tmp_path / "sources")
    run(*words, "--no-deps", "--no-build-isolation", "-q", cwd=tmp_path, **without(missing, tmp_path))
    assert compiled(tmp_path / "site") == "False"
    works(tmp_path / "site", tmp_path)


@pytest.mark.parametrize("missing", ["compiler", "Cython"])
def test_whoever_requires_it_compiled_gets_it_or_an_error(missing: str, checkout: Path, tmp_path: Path) -> None:
    """With RCOLLECTIONS_REQUIRE_COMPILED the same builds fail, name the variable and what is missing."""
    if missing == "compiler" and importlib.util.find_spec("Cython") is None:
        pytest.skip("needs Cython")
    shutil.copytree(checkout, tmp_path / "sources")
    words = (sys.executable, "-m", "pip", "wheel", "-w", tmp_path / "dist", tmp_path / "sources", "--no-deps")
    variables = {**without(missing, tmp_path), "RCOLLECTIONS_REQUIRE_COMPILED": "1"}
    done = attempt(*words, "--no-build-isolation", "-q", cwd=tmp_path, **variables)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "RCOLLECTIONS_REQUIRE_COMPILED is set, but" in said
    assert {"compiler": "a C compiler", "Cython": "Cython cannot be imported: not here"}[missing] in said
    assert not (tmp_path / "dist").exists() or not list((tmp_path / "dist").glob("*.whl"))


def test_pure_and_compiled_at_once_is_an_error(checkout: Path, tmp_path: Path) -> None:
    """One of the two variables would be ignored; nobody is left to guess which."""
    variables = {"RCOLLECTIONS_PURE": "1", "RCOLLECTIONS_REQUIRE_COMPILED": "1"}
    done = attempt(sys.executable, "-c", BUILD, "build_wheel", tmp_path, cwd=checkout, **variables)
    assert done.returncode != 0
    assert "RCOLLECTIONS_REQUIRE_COMPILED is set, but so is RCOLLECTIONS_PURE" in done.stderr


@pytest.mark.long
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
