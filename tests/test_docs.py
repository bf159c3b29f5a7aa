"""Every fenced example of README and docs runs, and so does every doctest; every link leads somewhere.

The ``python`` blocks of a page run from top to bottom in one namespace, on an empty ``memory://``. A block
with ``>>>`` is run as a doctest, another one as code. Failures name the page and the line.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import re
import sys
import textwrap
import unittest
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

import pytest

import rcollections
from rcollections import ConfigError
from rcollections.servers.embedded.binary import find_valkey
from rcollections.testing import isolated

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OTHERS = [ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]  # links, but no examples to run
MODULES = sorted(each.name for each in pkgutil.walk_packages(rcollections.__path__, "rcollections."))

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)```", re.M | re.S)
_LINK = re.compile(r"\[[^]\[]*\]\((?P<path>[^)#\s]*)(?:#(?P<anchor>[^)\s]*))?\)")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.M)
_ANCHOR = re.compile(r'<a id="([^"]+)">')
_FLAGS = doctest.ELLIPSIS


class Block(NamedTuple):
    """A fenced block: the line where its text begins (from 1), its language, its text."""

    line: int
    language: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start("text")) + 1
        yield Block(line, match["language"], textwrap.dedent(match["text"]))


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text("utf-8"))


def shown(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def run_page(page: Path) -> ModuleType:
    # Classes that an example stores are found again by module and name, so the page is a module.
    module = ModuleType("docs_" + page.stem.replace("-", "_").lower())
    sys.modules[module.__name__] = module
    try:
        with isolated():
            for block in blocks(page):
                if block.language == "python":
                    run_block(page, block, module)
    finally:
        del sys.modules[module.__name__]
    return module


def run_block(page: Path, block: Block, module: ModuleType) -> None:
    if ">>> " in block.text:
        run_doctest(page, block, module)
        return
    code = "\n" * (block.line - 1) + block.text  # so that a traceback shows the line of the page
    exec(compile(code, str(page), "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - that is the test


def run_doctest(page: Path, block: Block, module: ModuleType) -> None:
    test = doctest.DocTestParser().get_doctest(block.text, module.__dict__, shown(page), str(page), block.line - 1)
    # get_doctest copies the namespace; what an example defines must be there for the next one.
    test.globs = module.__dict__
    output: list[str] = []
    result = doctest.DocTestRunner(optionflags=_FLAGS).run(test, out=output.append, clear_globs=False)
    if result.failed:
        pytest.fail(f"{shown(page)}, block at line {block.line}:\n{''.join(output)}", pytrace=False)


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_the_examples_of_a_page_run(page: Path) -> None:
    """Top to bottom, as a reader would type them."""
    run_page(page)


@pytest.mark.parametrize("name", MODULES)
def test_the_doctests_of_a_module_run(name: str) -> None:
    """Each on an empty server of its own."""
    module = importlib.import_module(name)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module):
        if not test.examples:
            continue
        output: list[str] = []
        with isolated():
            result = doctest.DocTestRunner(optionflags=_FLAGS).run(test, out=output.append)
        if result.failed:
            pytest.fail("".join(output), pytrace=False)


def test_the_tests_that_testing_md_shows_pass() -> None:
    """They are defined when the page runs; here they are called, as pytest and unittest would."""
    page = run_page(ROOT / "docs" / "testing.md")
    with isolated() as connection:
        page.test_remember(connection)
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(page.ColourTest).run(result)
    assert result.testsRun == 1
    assert result.wasSuccessful(), result.errors
    page.test_a_reply_that_is_lost()
    page.test_two_processes()
    try:
        find_valkey()
    except ConfigError:
        pytest.skip("there is no Valkey binary here")
    page.test_on_valkey()


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of the headings of a page, and those that stand in it."""
    return set(_ANCHOR.findall(prose(page))) | {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(prose(page))
    }


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=shown)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that is there, and every anchor a heading in it."""
    for match in _LINK.finditer(prose(page)):
        path, anchor = match["path"], match["anchor"]
        if re.match(r"[a-z]+:", path):
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{shown(page)} links to {path}, which is not there"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{shown(page)} links to {path}#{anchor}: no such heading"


def test_every_page_is_in_the_index() -> None:
    """A page that docs/index.md does not link is a page that nobody finds."""
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    linked = {match["path"] for match in _LINK.finditer(index)}
    missing = [page.name for page in (ROOT / "docs").glob("*.md") if page.name not in linked | {"index.md"}]
    assert not missing, f"docs/index.md does not link {', '.join(sorted(missing))}"


def said_by_the_package() -> str:
    """All string literals of the package, with … where an f-string has a placeholder."""
    found = []
    for path in sorted((ROOT / "rcollections").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = (each.value if isinstance(each, ast.Constant) else "…" for each in node.values)
                found.append("".join(map(str, parts)))
    return "\n".join(found)


def test_troubleshooting_quotes_what_is_really_said() -> None:
    """A message on the page that no code has (any more) would send its reader astray."""
    text = said_by_the_package()
    page = prose(ROOT / "docs" / "troubleshooting.md").partition("## It works, but")[0]
    quoted = re.findall(r"^\| `([^|`]* [^|`]*)`", page, re.M)
    assert len(quoted) > 50
    for message in quoted:
        for part in re.split(r"…(?:[:;,]| |$)+|: ", message):
            words = part.strip("… ").strip()
            assert len(words) < 8 or words in text, f"nothing says {words!r} (of {message!r})"


def test_a_failing_example_names_page_and_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The harness itself: both kinds of block fail where they stand, and share a namespace."""
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    page = tmp_path / "page.md"

    page.write_text(
        "# t\n\n```python\nx = 1\n```\n\n```python\n>>> x\n1\n>>> y = 2\n```\n\n```python\nassert y == 2\n```\n"
    )
    run_page(page)

    page.write_text("# t\n\n```python\nx = 1\n1 / 0\n```\n")
    with pytest.raises(ZeroDivisionError) as raised:
        run_page(page)
    assert raised.traceback[-1].lineno + 1 == 5
    assert Path(raised.traceback[-1].path) == page

    page.write_text("# t\n\n```python\n>>> 1 + 1\n3\n```\n")
    with pytest.raises(pytest.fail.Exception, match=r"page.md, block at line 4"):
        run_page(page)
