"""``python -m tests.torture [--seed N] [--seconds N]``: the worst day, for so long; the history is checked then."""

from __future__ import annotations

import argparse
import random
import sys

from .grounds import KINDS
from .run import torture

__all__: list[str] = []

parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
parser.add_argument("--seed", type=int, default=None, help="of the plan of faults and calls; printed in any case")
parser.add_argument("--seconds", type=float, default=60.0, help="how long faults are injected")
parser.add_argument("--workers", type=int, default=4)
parser.add_argument("--server", default="valkey", choices=KINDS, help="the kind of servers")
given = parser.parse_args()
seed = given.seed if given.seed is not None else random.SystemRandom().randrange(10**6)
again = f"--seed {seed} --seconds {given.seconds:g} --workers {given.workers} --server {given.server}"
print(f"seed {seed}: python -m tests.torture {again} does this again", flush=True)
report = torture(seed, given.seconds, given.workers, given.server)
print(report.text())
sys.exit(bool(report.broken))
