"""Whom an ear tells what it hears."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..l1 import Words
    from .common import Common

__all__ = ["Hearer"]

E = TypeVar("E", contravariant=True)  # the ear


class Hearer(Protocol[E]):
    """The object that an ear tells: the listener."""

    staleness: float
    words: Words  # what a compiled ear moves
    node: int  # which of the servers behind one connection it is
    common: Common

    def confirmed(self, ear: E) -> None:
        """Changes are heard from now on."""

    def changed(self, ear: E, keys: Sequence[bytes]) -> None:
        """These keys changed."""

    def announced(self, ear: E, numbers: Sequence[int]) -> None:
        """The words of these keys have moved: values can go."""

    def flushed(self, ear: E) -> None:
        """All keys changed."""

    def unsure(self, ear: E) -> None:
        """Changes may have been missed: held values count no more, until ``confirmed`` again."""

    def proved(self, ear: E, instant: tuple[int, int]) -> None:
        """All changes that were acknowledged before this instant have been heard."""

    def published(self, ear: E, message: list[object]) -> None:
        """A message came on another channel."""

    def missed(self, ear: E) -> None:
        """Messages on other channels may have been missed."""
