"""Errors are ours, and only come while a fault is there or has just ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .check import Report
    from .faults import Fault

__all__ = ["check_errors"]

SECOND = 1_000_000_000
HEALED = 2.0  # seconds until a breaker's last probe has found the servers that are well again, on a busy machine
OWN = frozenset({"SourceDown", "TimeLimit"})  # of the functions themselves, and of the signal


def check_errors(
    report: Report, histories: Mapping[str, Sequence[list[Any]]], faults: Sequence[Fault] | None, timeout: float
) -> None:
    """Only our errors, and only from a fault on that may raise until ``timeout`` and a moment after its end.

    ``faults`` None: some fault is always near.
    """
    after = round((HEALED + timeout) * SECOND)
    for worker, history in histories.items():
        stalls = [(facts[0], facts[1]) for kind, *facts in history if kind == "stall"]
        for kind, *facts in history:
            if kind == "broke":
                report.breach(f"{worker}: at {facts[0]} an error that is not ours:\n{facts[1]}")
            if kind != "failed" or faults is None or facts[3] in OWN:
                continue
            began, ended, what, error = facts[0], facts[0] + facts[1], facts[2], facts[3]
            report.checked["errors"] += 1
            near = any(each.began <= ended and began <= each.ended + after for each in faults if each.raises)
            if not near and not any(start < ended and began < end for start, end in stalls):
                report.breach(f"{worker}: {what} at {began} raised {error} after {facts[1] / SECOND:.2f} s: no fault")
