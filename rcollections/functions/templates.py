"""``key="user:{id}"``: keys made of the values of parameters, so that two calls meet only if all of these are equal."""

from __future__ import annotations

from string import Formatter, punctuation
from typing import TYPE_CHECKING, Any, NamedTuple

from ..plans.parts import SHORT, escaped, text_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from .arguments import Arguments

__all__ = ["Template"]

MARKS = frozenset(punctuation) - frozenset("\\{}()")  # these five have escapes of their own


class Field(NamedTuple):
    """A placeholder: the parameter, and the attributes behind it."""

    name: str
    attributes: tuple[str, ...]
    shown: str


class Template:
    """A ``key=`` with braces. ``fields`` is empty where all of them are doubled, and mean themselves."""

    def __init__(self, text: str, arguments: Arguments, refuse: Callable[[str], NoReturn]) -> None:
        self._arguments = arguments
        self._refuse = refuse
        pieces = self._pieces_of(text)
        self.fields = tuple(piece for piece in pieces if isinstance(piece, Field))
        marks = set[str]()
        for before, middle, after in zip(["", *pieces], pieces, [*pieces[1:], ""], strict=False):
            if isinstance(middle, Field):
                if isinstance(after, Field):
                    self._needs_mark(middle, after)
            elif isinstance(before, Field) and isinstance(after, Field):
                if MARKS.isdisjoint(middle):
                    self._needs_mark(before, after)
                marks |= MARKS.intersection(middle)
        self._marks = "".join(sorted(marks))
        self._pieces = [escaped(piece) if isinstance(piece, str) else piece for piece in pieces]
        self._placed = self._by_places()

    def _pieces_of(self, text: str) -> list[str | Field]:
        try:
            parsed = list(Formatter().parse(text))
        except ValueError as error:
            self._refuse(f"is no template: {error}; write a brace that is meant twice")
        pieces: list[str | Field] = []
        literal = ""
        for before, name, spec, conversion in parsed:
            literal += before
            if name is not None:
                if spec or conversion:
                    self._refuse(f"has a format behind {name!r}: placeholders take names alone")
                pieces += [literal, self._field(name)] if literal else [self._field(name)]
                literal = ""
        return [*pieces, literal] if literal else pieces

    def _field(self, text: str) -> Field:
        name, *attributes = text.split(".")
        if not all(each.isidentifier() for each in (name, *attributes)):
            self._refuse(
                f"has the placeholder {{{text}}}, which is no name of a parameter, nor one such as {{user.id}}"
            )
        if not self._arguments.knows(name):
            known = ", ".join(self._arguments.names) or "none"
            self._refuse(f"names {name!r}, which is no parameter; there are {known}")
        return Field(name, tuple(attributes), text)

    def _needs_mark(self, before: Field, after: Field) -> NoReturn:
        self._refuse(f"needs a punctuation mark between {{{before.shown}}} and {{{after.shown}}}, such as ':'")

    def _by_places(self) -> list[str | tuple[int, str]] | None:
        """The pieces with the places of parameters, for calls that give all of them by position; None: there are none.

        Each place with the name of its parameter.
        """
        if self._arguments.count < 0 or any(field.attributes for field in self.fields):
            return None
        names = self._arguments.names
        return [piece if isinstance(piece, str) else (names.index(piece.name), piece.shown) for piece in self._pieces]

    def text(self, args: tuple[object, ...], kwargs: dict[str, object]) -> str:
        """The key of a call as one part, escaped."""
        if self._placed is not None and not kwargs and len(args) == self._arguments.count:
            words = []
            for piece in self._placed:
                if isinstance(piece, str):
                    words.append(piece)
                    continue
                value = args[piece[0]]
                if type(value) is int and 0 <= value < SHORT:
                    words.append(str(value))
                    continue
                text = value if type(value) is str else text_of(f"{self._arguments.name}, key={{{piece[1]}}}", value)
                words.append(escaped(text, self._marks))
            return "".join(words)
        values = self._arguments.by_name(args, kwargs) if self.fields else {}
        return "".join(
            [
                piece if isinstance(piece, str) else escaped(self._value(piece, values), self._marks)
                for piece in self._pieces
            ]
        )

    def _value(self, field: Field, values: dict[str, Any]) -> str:
        owner = self._arguments.name
        try:
            value = values[field.name]
        except KeyError:
            raise TypeError(
                f"{owner}: key= needs {field.name!r}, which this call does not give by name, and a decorator below "
                "@cached hides the parameters: give it by keyword, or put @cached below that decorator"
            ) from None
        for name in field.attributes:
            try:
                value = getattr(value, name)
            except AttributeError:
                raise TypeError(
                    f"{owner}: key= asks for {{{field.shown}}}, and a {type(value).__name__} has no attribute {name!r}"
                ) from None
        return text_of(f"{owner}, key={{{field.shown}}}", value)
