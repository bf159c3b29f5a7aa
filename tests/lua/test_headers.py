"""Every script has a header that is true, and a test of its own that runs it on every server kind."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rcollections.errors import CacheError
from rcollections.plans.effects import Script
from rcollections.plans.emptiness import condition, reply_of
from rcollections.plans.scripts import lua_dir, names, parse, source

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
        *(
            (
                "-- it: x\n-- KEYS[1] a\n-- ARGV[1] a\n-- returns {'ok'} | {'no'}\n" + lines + "\nreturn {'ok'}",
                complaint,
            )
            for lines, complaint in (
                ("-- and so on", "means nothing: '-- and so on'"),
                ("--reads", "means nothing: '--reads'"),
                ("-- empty {'ok'}", "either '-- reads' or '-- writes"),
                ("-- reads\n-- writes KEYS[1]\n-- empty {'ok'}", "either '-- reads' or '-- writes"),
                ("-- reads KEYS[1]\n-- empty {'ok'}", "either '-- reads' or '-- writes"),
                ("-- reads\n-- reads\n-- empty {'ok'}", "says '-- reads' twice"),
                ("-- reads\n-- retry safe\n-- empty {'ok'}", "already that it may be repeated"),
                ("-- writes KEYS[1]\n-- retry safe or not\n-- empty {'ok'}", "stands alone"),
                ("-- writes KEYS\n-- empty {'ok'}", "'-- writes KEYS' means nothing"),
                ("-- writes KEYS[2]\n-- empty {'ok'}", "speaks of KEYS.2., which the header does not list"),
                ("-- reads\n-- replaces all\n-- empty {'ok'}", "is for what writes"),
                ("-- writes leases only\n-- replaces all\n-- empty {'ok'}", "is for what writes"),
                ("-- writes KEYS[1]\n-- replaces all when it likes\n-- empty {'ok'}", "means nothing: when it likes"),
                ("-- writes KEYS[1]\n-- held\n-- empty {'ok'}", "is for what reads"),
                ("-- reads\n-- held for ever\n-- empty {'ok'}", "is for what reads"),
                ("-- reads", "lacks '-- empty"),
                ("-- reads\n-- empty {'other'}", "must begin with a word of its '-- returns'"),
                ("-- reads\n-- empty {'ok', ARGV[2]}", "speaks of ARGV.2., which the header does not list"),
                ("-- reads\n-- empty {'ok', ARGV}", "means nothing: .*ARGV"),
                ("-- reads\n-- empty {'ok'", "means nothing: {'ok'"),
                ("-- reads\n-- empty {'ok'} when ARGV[1] is same", "the last one has none"),
                ("-- reads\n-- empty {'ok'}\n-- empty {'no'}", "all but the last have a condition"),
                ("-- reads\n-- empty {'ok'} when ARGV[1] seems so\n-- empty {'no'}", "means nothing: .*seems so"),
            )
        ),
    ],
)
def test_a_wrong_header_is_refused(text: str, complaint: str) -> None:
    """What the grammar does not describe is an error of ours that says what is missing."""
    with pytest.raises(CacheError, match=complaint):
        parse("it", text)


def test_the_header_ends_where_the_text_begins() -> None:
    """Comments behind it are nobody's contract; none of them travels to the server."""
    text = "-- it: x\n-- returns {'ok'}\n-- reads\n-- empty {'ok'}\n\n-- a remark\nreturn {'ok'}\n"
    assert parse("it", text).text == "return {'ok'}\n"
    for name in NAMES:
        assert not re.search(r"^\s*--", source(name).text + source(f"guarded:{name}").text, re.M)


@pytest.mark.parametrize(
    ("line", "keys", "args", "expected"),
    [
        ("{'ok'}", (), (), [b"ok"]),
        ("{'ok', '', -2, {}}", (), (), [b"ok", b"", -2, []]),
        ("{'ok', ARGV[1], ARGV[2], ARGV[3]}", (), ("a", 5, b"c"), [b"ok", b"a", b"5", b"c"]),
        ("{'ok', ARGV[2..] .. ARGV[1]}", (), ("a", "b", b"c"), [b"ok", b"bca"]),
        ("{'ok', number ARGV[2], #ARGV}", (), ("a", "7"), [b"ok", 7, 2]),
        ("{'ok', distinct ARGV[2..]}", (), ("a", "b", b"b", "c"), [b"ok", 2]),
        ("{'ok', distinct ARGV[1..] by 2}", (), ("a", 1, "b", 2, "a", 3), [b"ok", 2]),
        ("{'ok', ('', -2) for each key, 1}", ("a", "b"), (), [b"ok", b"", -2, b"", -2, 1]),
        ("{'ok', reply of ARGV[1] KEYS ARGV[2..]}", ("a",), ("HMGET", "f", "g"), [b"ok", [None, None]]),
    ],
)
def test_the_language_of_empty_lines(line: str, keys: Any, args: Any, expected: Any) -> None:
    """Each item that may stand between the braces."""
    assert reply_of([line])(Script("it", keys, args)) == expected


@pytest.mark.parametrize(
    ("asked", "args", "expected"),
    [
        ("ARGV[1] is same", ("same",), True),
        ("ARGV[1] is same", (b"other",), False),
        ("ARGV[2] is union, xor or move", ("x", b"move"), True),
        ("ARGV[2] is union, xor or move", ("x", "union"), True),
        ("ARGV[2] is union, xor or move", ("x", "or"), False),
        ("ARGV[1] has xx", ("xx gt",), True),
        ("ARGV[1] has xx", ("",), False),
    ],
)
def test_the_language_of_conditions(asked: str, args: Any, expected: bool) -> None:
    """What an argument is, or has in it; the first line whose condition holds counts."""
    assert condition(f"when {asked}")(Script("it", (), args)) is expected
    reply = reply_of([f"{{'yes'}} when {asked}", "{'no'}"])
    assert reply(Script("it", (), args)) == [b"yes" if expected else b"no"]


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
