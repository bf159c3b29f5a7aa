"""All benchmarks, one after the other: ``python benchmarks/run.py [--quick]``.

What is given goes on to each: ``--quick``, ``--unix``, ``--free``, ``--server redis``. Values on their own
(the codec beside pickle) and the store in this process are measured without a server.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
WITH_SERVER = ("operations", "loading", "iterating", "sets", "plain_writes", "cached", "threads", "stampede")


def main() -> int:
    given = sys.argv[1:]
    failed = []
    for name in (*WITH_SERVER, "codec", "store", "l1"):
        print(f"# {name}\n", flush=True)
        options = given if name in WITH_SERVER else []
        if subprocess.run([sys.executable, str(HERE / f"{name}.py"), *options]).returncode:
            failed.append(name)
        print(flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
