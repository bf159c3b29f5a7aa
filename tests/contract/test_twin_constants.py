"""Numbers that stand in more than one source of a twin are the same in all: read from the sources, so built or not."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

L1 = Path(__file__).parents[2] / "rcollections" / "l1"

# Each group is one module in its forms; names that are the same in two groups may mean two things.
GROUPS = {
    "store": ("_store.pxd", "_store.pyx", "store.py"),
    "tier": ("_words.pxd", "_tier.pxd", "_tier.pyx", "tier.py"),
    "hit": ("_hit.pyx", "hit.py", "calls.py"),
}
# What has to be found in more than one of them: so that this test notices when it can no longer read them.
SHARED = {
    "store": """SMALL MAIN EVICTED EXPIRED BATCH SPARE LOOKS WHEEL TICK SLOTS STEPS PROVEN FIRST_SHARE LEAST_SHARE
        MOST_SHARE LONG PACE FOREVER""".split(),
    "tier": ["FOREVER", "CUT", "SLEPT"],
    "hit": ["PLAIN", "SKIP", "TOLD", "READS", "HOOK"],
}
# What the compiled twin alone needs.
ALONE = {"store": {"NIL", "GOLDEN"}, "tier": set(), "hit": {"MOST"}}


def value_of(text: str) -> Any:
    """What an expression of numbers says, None for anything else."""
    try:
        tree = ast.parse(re.sub(r"\b(0[xX][0-9A-Fa-f]+|\d+)[uUlL]+\b", r"\1", text.strip()), mode="eval")
        if any(isinstance(each, (ast.Name, ast.Call, ast.Attribute)) for each in ast.walk(tree)):
            return None
        return eval(compile(tree, "constant", "eval"), {})  # noqa: S307 - literals and operators only
    except SyntaxError:
        return None


def of_python(text: str) -> dict[str, Any]:
    """The constants of a module: names in capitals that a value is given to, one by one or side by side."""
    found: dict[str, Any] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                pairs = [(target, node.value)]
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = list(zip(target.elts, node.value.elts, strict=True))
                for name, value in pairs:
                    if isinstance(name, ast.Name) and name.id.isupper() and not name.id.startswith("_"):
                        found[name.id] = value_of(ast.unparse(value))
    return {name: value for name, value in found.items() if value is not None}


def of_cython(text: str) -> dict[str, Any]:
    """Those of ``cdef enum:``, of ``cdef`` variables, and of ``#define``."""
    texts: list[tuple[str, str]] = []
    for block in re.findall(r"^cdef enum:\n((?:    .*\n)+)", text, re.MULTILINE):
        texts += re.findall(r"^    ([A-Z_]+) = (.+?)(?:\s+#.*)?$", block, re.MULTILINE)
    texts += re.findall(r"^cdef (?:inline )?\w+ ([A-Z_]+) = (.+?)(?:\s+#.*)?$", text, re.MULTILINE)
    texts += re.findall(r"^\s*#define ([A-Z]+) (.+?)(?:\s+/\*.*)?$", text, re.MULTILINE)
    return {name: value for name, value in ((name, value_of(value)) for name, value in texts) if value is not None}


def constants(name: str) -> dict[str, Any]:
    text = (L1 / name).read_text(encoding="utf-8")
    return of_python(text) if name.endswith(".py") else of_cython(text)


@pytest.mark.parametrize("group", GROUPS)
def test_they_are_the_same_everywhere(group: str) -> None:
    """Whatever name stands in two of these files."""
    where: dict[str, dict[str, Any]] = {}
    for file in GROUPS[group]:
        for name, value in constants(file).items():
            where.setdefault(name, {})[file] = value
    for name, values in where.items():
        assert len({repr(value) for value in values.values()}) == 1, (name, values)
    assert {name for name, values in where.items() if len(values) > 1} == set(SHARED[group])
    compiled = {name for name, values in where.items() if any(file.startswith("_") for file in values)}
    assert compiled - set(SHARED[group]) == ALONE[group], "a constant of the compiled twin that nobody compares"


def test_readers_of_collections_have_one_owner() -> None:
    """Whoever brings in what they read says so by the number under which it is looked up."""
    found = {path: of_python(path.read_text(encoding="utf-8")).get("READS") for path in L1.parent.rglob("*.py")}
    assert {number for number in found.values() if number is not None} == {constants("hit.py")["READS"]}


def test_no_number_stands_there_without_its_name() -> None:
    """A large number in C that has a name is written by its name."""
    golden = constants("_store.pxd")["GOLDEN"]
    for file in ("_store.pxd", "_store.pyx", "_tier.pxd", "_tier.pyx", "_hit.pyx"):
        text = (L1 / file).read_text(encoding="utf-8")
        assert text.upper().count(f"{golden:X}") == (file == "_store.pxd")


def test_constants_are_read_from_all_forms() -> None:
    """Of the readers above: what they find, and that a change would be seen."""
    text = "cdef enum:\n    A = 0\n    B = 12      # why\n\ncdef int64_t C = 1_000\ncdef object D = 1 << 62\n"
    text += "    #define E 0xFFu /* e */\n"
    assert of_cython(text) == {"A": 0, "B": 12, "C": 1000, "D": 1 << 62, "E": 255}
    assert of_cython("cdef object E = object()\ncdef double F = 1.0 / 3.0\n") == {"F": 1 / 3}
    assert of_python("A, B = 0, 1 / 3\nC = 4e9\nD: int = 5\nE = call()\n_F = 1\ng = 1\n") == {
        "A": 0,
        "B": 1 / 3,
        "C": 4e9,
    }
