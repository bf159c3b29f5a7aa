"""The pytest fixture ``fresh``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .isolation import isolated

try:
    import pytest
except ImportError as error:
    raise ImportError(
        "rcollections.testing.fresh is a pytest fixture: pip install pytest, or use isolated()"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..servers.connection import Connection

__all__ = ["fresh"]


@pytest.fixture
def fresh() -> Iterator[Connection]:
    """An empty ``memory://`` server for this test, whatever ``CACHES_DSN`` says; gives its connection.

    Its plugin brings it to every project that has this package. Before and after the test the fixture resets the
    same things as ``isolated()``. It opens no socket.
    """
    with isolated() as connection:
        yield connection
