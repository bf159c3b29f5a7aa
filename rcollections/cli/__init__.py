"""The command line: ``rcollections``, or ``python -m rcollections``; one file a command.

A command's file is imported when the command runs: ``--help`` and ``--version`` need neither redis nor asyncio.
"""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING

from .. import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit status."""
    arguments = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    from ..servers import registry

    # What the library logs, a command tells by itself, and better.
    logging.getLogger("rcollections").addHandler(logging.NullHandler())
    try:
        return run(arguments)
    except KeyboardInterrupt:
        return 130
    finally:
        registry.reset()  # stops an embedded server that no other process uses


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rcollections", description="Tools for rcollections.")
    parser.add_argument("--version", action="version", version=f"rcollections {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    doctor = commands.add_parser(
        "doctor",
        help="tell whether the set-up works, and what to do if not",
        description="Tells how the configuration is understood, whether the server answers, and what is missing. "
        "Changes nothing. The exit status is 0 when all is well, 1 when there is a problem.",
    )
    doctor.add_argument("--dsn", help="look at this server instead of those of CACHES_DSN")
    doctor.set_defaults(run=_doctor)
    return parser


def _doctor(arguments: argparse.Namespace) -> int:
    from .doctor import doctor

    return doctor(arguments.dsn)
