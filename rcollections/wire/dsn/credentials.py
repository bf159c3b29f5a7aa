"""A login that a function of the program gives, asked at each connect: for passwords that change while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ...errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Credentials", "check_place", "read_credentials", "read_login"]

Credentials: TypeAlias = "Callable[[], str | tuple[str, str]]"

_WANTED = "a password, or (user, password)"


def read_credentials(value: object) -> object:
    """The option as it is, if it can be called."""
    if not callable(value):
        raise ValueError(f"is a function that gives {_WANTED}: it is an argument of configure(), not text in a DSN")
    from inspect import iscoroutinefunction

    if iscoroutinefunction(value) or iscoroutinefunction(getattr(value, "__call__", None)):  # noqa: B004
        raise ValueError("must be a plain function, no async def: event loops call it in a thread")
    if getattr(value, "__hash__", None) is None:  # connections with one login share a listener, so it is looked up
        raise ValueError("must be hashable, as functions and methods are")
    return value


def check_place(kind: str, password: str) -> None:
    """Whether a DSN of this kind, with that password, can have ``credentials=`` beside it; else ConfigError."""
    if kind in ("memory", "embedded"):
        raise ConfigError(f"credentials= is for servers that want a login: {kind}:// takes none")
    if password:
        raise ConfigError("the DSN has a password, and credentials= gives one at each connect: leave one of them out")


def read_login(credentials: Credentials, user: str) -> tuple[str, str]:
    """Ask for the login; ``user`` is the DSN's, for a function that gives only the password. It may raise anything."""
    given: object = credentials()
    if isinstance(given, str):
        return user, given
    if isinstance(given, tuple) and len(given) == 2:
        who, password = given
        if isinstance(who, str) and isinstance(password, str):
            return who, password
    raise TypeError(f"it gave {_kind(given)} instead of {_WANTED}, in text")


def _kind(given: object) -> str:
    """What it is, and never what is in it."""
    if isinstance(given, tuple):
        return f"a tuple of ({', '.join(type(each).__name__ for each in given)})"
    return type(given).__name__
