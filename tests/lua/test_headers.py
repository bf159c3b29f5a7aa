"""Every script has a header that is true, and a test of its own that runs it on every server kind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rcollections.plans.scripts import lua_dir, names, parse, source

from rcollections.errors import CacheError

NAMES = names()


@pytest.mark.parametrize("name", NAMES)
def test_header_matches_the_text(name: str) -> None:
    """The KEYS and ARGV that the text uses are those that the header lists."""
    script = source(name)
    for kind, count, more in (("KEYS", script.keys, script.more_keys), ("ARGV", script.args, script.more_args)):
        used = {int(number) for number in re.findall(rf"{kind}\[(\d+)\]", script.text)}
        whole = bool(re.search(rf"{kind}(?!\[\d)", script.text))
        assert max(used, default=0) <= count or more, f"{name} uses {kind}[{max(used)}], its header ends at {count}"
        assert whole or used >= set(range(1, count + 1)), f"{name}: its header lists {kind} that nobody uses"


@pytest.mark.parametrize("name", NAMES)
def test_replies_begin_with_a_listed_word(name: str) -> None:
    """Each ``return {'word'`` is one that the header lists, and each listed word is returned."""
    script = source(name)
    returned = set(re.findall(r"\{'(\w+)'", re.sub(r"'(last|first)'", "", script.text)))
    assert set(script.words) <= returned
    assert returned <= set(script.words) | {"err"}


@pytest.mark.parametrize("path", sorted(lua_dir().rglob("*.lua")), ids=lambda path: path.stem)
def test_scripts_keep_the_rules(path: Path) -> None:
    """No globals, no scans of the keyspace, no clock, nothing that fakeredis lacks, ASCII, short."""
    text = path.read_text(encoding="ascii")
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    for word in ("'KEYS'", "'SCAN'", "'TIME'", "cmsgpack", "struct.", "bit.", "sha1hex", "#!", "loadstring"):
        assert word not in code, f"{path.name} uses {word}"
    for line in code.splitlines():
        assigned = re.match(r"\s*([A-Za-z_]\w*)(\s*,\s*[A-Za-z_]\w*)*\s*=[^=]", line)
        if assigned:
            name = assigned[1]
            declared = re.search(rf"(local[^\n=]*\b{name}\b|for [^\n]*\b{name}\b|function[^\n]*\b{name}\b)", text)
            assert declared, f"{path.name} writes the global {name}"
    assert not re.search(r"^function", code, re.M), f"{path.name} defines a global function"


@pytest.mark.parametrize("name", NAMES)
def test_there_is_a_test_that_runs_it(name: str) -> None:
    """A file in tests/lua names the script."""
    here = Path(__file__).parent
    tests = "".join(path.read_text() for path in here.glob("test_*.py") if path.name != Path(__file__).name)
    assert f'"{name}"' in tests, f"no test in tests/lua runs {name}"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("return 1", "first line must be"),
        ("-- other: x\n-- returns {'ok'}\nreturn {'ok'}", "first line must be"),
        ("-- it: x\nreturn {'ok'}", "lacks '-- returns"),
        ("-- it: x\n-- KEYS[2] a\n-- returns {'ok'}\nreturn {'ok'}", "in order, from 1"),
        ("-- it: x\n-- ARGV[1..] a\n-- ARGV[2] b\n-- returns {'ok'}\nreturn {'ok'}", "only the last"),
    ],
)
def test_a_wrong_header_is_refused(text: str, complaint: str) -> None:
    """What the grammar does not describe is an error of ours that says what is missing."""
    with pytest.raises(CacheError, match=complaint):
        parse("it", text)


def test_a_call_that_the_header_does_not_describe_is_refused() -> None:
    """Too few or too many keys and arguments never reach the server."""
    script = source("hash_set")
    script.check(1, 2)
    script.check(1, 9)
    for keys, args in ((0, 2), (2, 2), (1, 1)):
        with pytest.raises(CacheError, match="hash_set was called with"):
            script.check(keys, args)
    with pytest.raises(CacheError, match="no script 'nonsense'"):
        source("nonsense")
