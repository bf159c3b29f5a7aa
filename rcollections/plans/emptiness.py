"""What a script answers on an empty server: the language of the ``-- empty`` lines in its header.

    -- empty {'changed'} when ARGV[7] is same        several lines: the first whose condition holds
    -- empty {'ok', ARGV[4]}                         the last one has no condition

"Empty" means that the server keeps nothing after a step: the step alone sees what it writes. Conditions are
``ARGV[n] is this, that or other`` and ``ARGV[n] has part``. Between the braces may stand:

    'text'   -2   {}              a text, a number, an empty list
    ARGV[4]                       an argument, as text
    ARGV[7..] .. ARGV[6]          texts joined; ARGV[7..] are all arguments from there on
    number ARGV[4]                an argument, as a number
    #ARGV                         how many arguments there are
    distinct ARGV[3..] by 2       how many different arguments, of every second from there on (without ``by``: of all)
    ('', -2) for each key         these values, once for each key
    reply of ARGV[1] KEYS         the reply of an empty server to the command of these words
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from .commands import answer
from .effects import Script

if TYPE_CHECKING:
    from .effects import Arg

__all__ = ["Reply", "condition", "reply_of"]

Reply: TypeAlias = Callable[[Script], list[Any]]
Items: TypeAlias = Callable[[Script], "list[Any]"]  # what one item adds to a reply

_BETWEEN = re.compile(r", (?![^(]*\))")
_LINE = re.compile(r"\{(.*)\}(?: when (.+))?")
_IS = re.compile(r"ARGV\[(\d+)\] is (\w+(?:, \w+)*(?: or \w+)?)")
_HAS = re.compile(r"ARGV\[(\d+)\] has (\w+)")
_ARGUMENTS = r"ARGV\[(\d+)(\.\.)?\]"
_TEXT = re.compile(rf"{_ARGUMENTS}(?: \.\. {_ARGUMENTS})*")
_DISTINCT = re.compile(r"distinct ARGV\[(\d+)\.\.\](?: by (\d+))?")


def reply_of(lines: list[str]) -> Reply:
    """A function that makes the reply of these ``-- empty`` lines; ValueError for a line without a meaning."""
    cases: list[tuple[Callable[[Script], bool] | None, list[Items]]] = []
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(line)
        cases.append((condition(f"when {match[2]}") if match[2] else None, list(map(_item, _BETWEEN.split(match[1])))))
    if [when is None for when, _ in cases] != [False] * (len(cases) - 1) + [True]:
        raise ValueError("of several '-- empty' lines all but the last have a condition, and the last one has none")

    def reply(step: Script) -> list[Any]:
        items = next(items for when, items in cases if when is None or when(step))
        return [value for item in items for value in item(step)]

    return reply


def condition(text: str) -> Callable[[Script], bool]:
    """``when ARGV[3] is copy or move``, as a question to a step; ValueError for a text without a meaning."""
    asked = text.removeprefix("when ")
    if match := _IS.fullmatch(asked):
        at, words = int(match[1]) - 1, {word.encode() for word in re.split(", | or ", match[2])}
        return lambda step: _bytes(step.args[at]) in words
    if match := _HAS.fullmatch(asked):
        at, word = int(match[1]) - 1, match[2].encode()
        return lambda step: word in _bytes(step.args[at])
    raise ValueError(text)


def _bytes(arg: Arg) -> bytes:
    """An argument as the server gets it."""
    return arg if isinstance(arg, bytes) else str(arg).encode()


def _item(text: str) -> Items:
    if text.startswith("reply of "):
        return _command(text.removeprefix("reply of "))
    if text.startswith("(") and text.endswith(") for each key"):
        some = [_constant(each) for each in text[1 : text.index(")")].split(", ")]
        return lambda step: some * len(step.keys)
    if text == "#ARGV":
        return lambda step: [len(step.args)]
    if text == "{}":
        return lambda _: [[]]
    if match := re.fullmatch(r"number ARGV\[(\d+)\]", text):
        at = int(match[1]) - 1
        return lambda step: [int(step.args[at])]
    if match := _DISTINCT.fullmatch(text):
        every = slice(int(match[1]) - 1, None, int(match[2] or 1))
        return lambda step: [len(set(map(_bytes, step.args[every])))]
    if _TEXT.fullmatch(text):
        parts = [_arguments(each) for each in text.split(" .. ")]
        return lambda step: [b"".join(_bytes(arg) for part in parts for arg in step.args[part])]
    value = _constant(text)
    return lambda _: [value]


def _constant(text: str) -> bytes | int:
    if re.fullmatch(r"'[^']*'", text):
        return text[1:-1].encode()
    return int(text)


def _arguments(text: str) -> slice:
    match = re.fullmatch(_ARGUMENTS, text)
    if match is None:
        raise ValueError(text)
    return slice(int(match[1]) - 1, None if match[2] else int(match[1]))


def _command(text: str) -> Items:
    """``ARGV[1] KEYS ARGV[2..]``: the words of a command, and the reply of an empty server to that command."""
    parts = [None if each == "KEYS" else _arguments(each) for each in text.split()]

    def reply(step: Script) -> list[Any]:
        words: tuple[Arg, ...] = ()
        for part in parts:
            words += step.keys if part is None else step.args[part]
        return [answer(words)]

    return reply
