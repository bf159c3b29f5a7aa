"""Sub-interpreters: there the import of the package ends here, since what it needs lives once in a process.

hiredis, lupa and the compiled part are made for one interpreter, and an interpreter that ends while a thread of
another library still runs takes the whole process along.
"""

from __future__ import annotations

from importlib import import_module

__all__ = ["refuse_others"]


def refuse_others() -> None:
    """ImportError in a sub-interpreter, with what to do."""
    if not _is_main():
        raise ImportError(
            "rcollections works in the main interpreter of a process only, and this is a sub-interpreter: "
            "under mod_wsgi set WSGIApplicationGroup %{GLOBAL}; elsewhere use processes or threads"
        )


def _is_main() -> bool:
    for name in ("_interpreters", "_xxsubinterpreters"):  # since Python 3.13, and before
        try:
            module = import_module(name)
        except ImportError:  # a Python without sub-interpreters
            continue
        current, main = module.get_current(), module.get_main()
        return bool(current == main or (isinstance(current, tuple) and current[0] == main[0]))
    return True


refuse_others()
