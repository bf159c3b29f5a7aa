"""Every rule that a comment, a docstring or a page cites stands in docs/protocol.md, once.

A code is a letter and a number, and L1 is none: that word means the tier of the process. So the code of leases is L0
where L1 would be. Only prose is looked at: variables of tests may be called like a rule.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.interleavings.collection_guards import COLLECTION_GUARDS
from tests.interleavings.guards import GUARDS
from tests.interleavings.keeping_guards import KEEPING_GUARDS
from tests.interleavings.locking import LOCK_GUARDS
from tests.interleavings.near_guards import GUARDS as NEAR_GUARDS
from tests.interleavings.test_handover import HANDOVER_GUARDS
from tests.interleavings.test_sentinel_orders import GUARDS as SENTINEL_GUARDS
from tests.interleavings.test_two_nodes import GUARDS as NODE_GUARDS
from tests.interleavings.unserved_guards import UNSERVED_GUARDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "protocol.md"
FAMILIES = "ENTLDPWRJUCKFQZGM"

_CODE = re.compile(rf"\b(?!L1\b)[{FAMILIES}]\d{{1,2}}\b")
_RANGE = re.compile(rf"\b([{FAMILIES}])(\d{{1,2}}) to \1(\d{{1,2}})\b")
_FAMILY = re.compile(r"\brules ([A-Z])\b(?!\.)(?: and ([A-Z])\b)?")
_DEFINED = re.compile(r"^\*\*([A-Z]\d+)\*\* \S", re.M)
_NOQA = re.compile(r"# noqa\b[:\w ,]*")
_LUA_COMMENT = re.compile(r"--(.*)$", re.M)
_PYTHON_BLOCK = re.compile(r"^ *```python\n.*?^ *```", re.M | re.S)
_CYTHON = re.compile(
    r'(?P<doc>"""(?:\\.|[^\\])*?""")|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|(?P<comment>#[^\n]*)', re.S
)


class Said(NamedTuple):
    """A piece of prose, and the line of its file where it begins."""

    line: int
    text: str


def of_python(source: str) -> Iterator[Said]:
    """Comments, docstrings, and strings that stand alone, as those behind an attribute do."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Said(token.start[0], _NOQA.sub("", token.string))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield Said(node.lineno, node.value.value)


def of_cython(source: str) -> Iterator[Said]:
    """The same. Python's own tokenizer does not take all of it; strings of other quotes are passed over."""
    for match in _CYTHON.finditer(source):
        text = match["doc"] or match["comment"]
        if text:
            yield Said(source.count("\n", 0, match.start()) + 1, text)


def of_lua(source: str) -> Iterator[Said]:
    for match in _LUA_COMMENT.finditer(source):
        yield Said(source.count("\n", 0, match.start()) + 1, match[1])


def of_page(source: str) -> Iterator[Said]:
    """A page without its examples, whose names are free."""
    yield Said(1, _PYTHON_BLOCK.sub(lambda block: "\n" * block[0].count("\n"), source))


READERS = {".py": of_python, ".pyx": of_cython, ".pxd": of_cython, ".lua": of_lua, ".md": of_page}
PLACES = (
    ("rcollections", (".py", ".pyx", ".pxd", ".lua")),
    ("lua", (".lua",)),
    ("tests", (".py",)),
    ("docs", (".md",)),
)


def codes(text: str) -> Iterator[tuple[int, str]]:
    """The codes in a text, each with its offset; "L3 to L5" is three of them."""
    for match in _CODE.finditer(text):
        yield match.start(), match[0]
    for match in _RANGE.finditer(text):
        for number in range(int(match[2]) + 1, int(match[3])):
            yield match.start(), f"{match[1]}{number}"


def families(text: str) -> Iterator[tuple[int, str]]:
    """The letters of whole families in a text, as in "the fence (rules F)"."""
    for match in _FAMILY.finditer(text):
        for letter in filter(None, match.groups()):
            yield match.start(), letter


def files() -> Iterator[Path]:
    for folder, endings in PLACES:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in endings and path.is_file():
                yield path


@cache
def said_in(path: Path) -> tuple[Said, ...]:
    return tuple(READERS[path.suffix](path.read_text("utf-8")))


def cited(paths: Iterable[Path], find: Callable[[str], Iterator[tuple[int, str]]] = codes) -> dict[str, list[str]]:
    """Each code (or family) that is cited, with the places where that is done, as path:line."""
    found: dict[str, list[str]] = {}
    for path in paths:
        for said in said_in(path):
            for offset, code in find(said.text):
                line = said.line + said.text.count("\n", 0, offset)
                found.setdefault(code, []).append(f"{path.relative_to(ROOT)}:{line}")
    return found


def defined() -> list[str]:
    """The rules of the page, in its order: paragraphs that begin with their code in bold."""
    return _DEFINED.findall(PAGE.read_text("utf-8"))


def table() -> dict[str, list[str]]:
    """The page's own table of families: the letter, and the codes that it says there are."""
    rows = re.findall(r"^\| ([A-Z]) \| [^|]+ \| ([^|]+) \|$", PAGE.read_text("utf-8"), re.M)
    return {letter: sorted(code for _, code in codes(said)) for letter, said in rows}


def test_every_cited_rule_is_written_down() -> None:
    """A comment that cites a rule that nobody can read explains nothing."""
    rules = {*defined()}
    missing = {code: places for code, places in cited(files()).items() if code not in rules}
    assert not missing, f"docs/protocol.md does not say what these are: {missing}"


def test_every_cited_family_is_in_the_table() -> None:
    """A comment that cites all rules of a family leads somewhere too."""
    found = cited(files(), families)
    assert found
    missing = {letter: places for letter, places in found.items() if letter not in table()}
    assert not missing, f"docs/protocol.md has no such family: {missing}"


def test_every_rule_is_defined_once() -> None:
    """Of two definitions a reader finds the first one only."""
    twice = [code for code, times in Counter(defined()).items() if times > 1]
    assert not twice, f"docs/protocol.md defines {', '.join(twice)} more than once"


def test_the_table_of_families_is_complete() -> None:
    """It names all families that are looked for here, and exactly the rules that follow."""
    assert "".join(table()) == FAMILIES
    assert sorted(defined()) == sorted(code for rules in table().values() for code in rules)
    order = [code[0] for code in defined()]
    assert order == sorted(order, key=FAMILIES.index), "the rules stand in the order of the table"


def test_the_search_finds_what_is_there() -> None:
    """Else all of this would pass with nothing read."""
    code = [path for path in files() if path != PAGE]
    assert {path.suffix for path in code} == {*READERS}
    assert len(cited(path for path in code if path.suffix != ".md")) >= 25


def test_the_safeguards_of_the_page_are_those_of_the_explorer() -> None:
    """The page says of each one which rule it belongs to."""
    text = PAGE.read_text("utf-8").partition("| rule | safeguards that are taken out |")[2]
    named = {*re.findall(r"`([^`]+)`", "".join(re.findall(r"^\| [^|]+ (\|[^|]+\|)$", text, re.M)))}
    tested = {*GUARDS, *COLLECTION_GUARDS, *NEAR_GUARDS, *LOCK_GUARDS, *KEEPING_GUARDS, *UNSERVED_GUARDS,
              *NODE_GUARDS, *HANDOVER_GUARDS, *SENTINEL_GUARDS}  # fmt: skip
    assert named == tested, f"not on the page: {tested - named}; only on the page: {named - tested}"


def test_what_counts_as_a_citation() -> None:
    """The readers themselves: prose is seen, code and the tier are not."""
    python = (
        '"""A page. E2 here,\nQ4 below."""\nT1 = "D1"  # W1, not the tier L1; noqa is none\nx = 1  # noqa: E731, C4\n'
    )
    assert [(said.line, code) for said in of_python(python) for _, code in codes(said.text)] == [
        (3, "W1"),
        (1, "E2"),
        (1, "Q4"),
    ]
    cython = 'cdef int E2 = "D1 # P1"  # F3\ncdef f():\n    """Holds (F1)."""\n'
    assert [(said.line, code) for said in of_cython(cython) for _, code in codes(said.text)] == [(1, "F3"), (3, "F1")]
    assert [(said.line, said.text) for said in of_lua("local E2 = 1\n-- C2: look\n")] == [(2, " C2: look")]
    page = "# E1\n\n```python\nT1 = 2\n```\n\nL2 here\n"
    assert [code for said in of_page(page) for _, code in codes(said.text)] == ["E1", "L2"]
    assert sorted(code for _, code in codes("L3 to L5, E731, L1, XE2, U2")) == ["L3", "L4", "L5", "U2"]
    assert [letter for _, letter in families("(rules L and T) and the rules F: rules are good")] == ["L", "T", "F"]
