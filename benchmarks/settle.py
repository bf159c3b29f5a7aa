"""What ``settle=True`` costs: the call and its parts, with real processes and with simulated listeners.

    python benchmarks/settle.py [--processes 8] [--ears 200] [--calls 1000] [--busy 0]

Real processes hold a value and hear changes as users' processes do. Simulated ears are connections of one more process
that subscribe and answer at once: what is measured with them is the server and the caller. ``--busy`` starts that
many busy threads in each real process. With ``--check`` every call is followed by a read in each process, one of
them is stopped by SIGSTOP for a second now and then, and old answers are counted.
"""

from __future__ import annotations

import argparse
import os
import selectors
import signal
import socket
import sys
import time

import hiredis

from rcollections import connection, invalidate_tags
from rcollections.testing import Process, Server, isolated, wait_until

PROGRAM = """
import threading
from rcollections import cached, connection, l1_info
@cached(ttl=600, tags=("prices",), l1=True, name="price", key="price")
def price():
    return int(connection().raw("GET", "source") or 0)
def live():
    price()
    return l1_info().state == "live"
def spin():
    while True:
        sum(range(1000))
for _ in range(int(sys.argv[2])):
    threading.Thread(target=spin, daemon=True).start()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", default="valkey")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--ears", type=int, default=200)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--busy", type=int, default=0)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--answer", metavar="SOCKET", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.answer:
        answer(options.answer, options.ears)
        return
    with Server(options.kind) as server, isolated(server.dsn):
        print(f"nobody listens: {told(timed(options.calls))}; without settle: {told(timed(options.calls, False))}")
        processes = [Process(PROGRAM, server.dsn, str(options.busy), quiet=False) for _ in range(options.processes)]
        for each in processes:
            wait_until(lambda each=each: each("live()"), 30, what="a process listens")
        if options.check:
            check(processes, options.calls)
        else:
            print(f"{options.processes} processes, {options.busy} busy threads each: {told(timed(options.calls))}")
        for each in processes:
            each.__exit__(KeyboardInterrupt)
        if options.ears and not options.check:
            connection().raw("DEL", "rc:z")
            simulated(server, options.ears, options.calls)


def timed(calls: int, settle: bool = True) -> list[float]:
    found = []
    for _ in range(calls):
        began = time.perf_counter()
        invalidate_tags("prices", settle=settle)
        found.append(time.perf_counter() - began)
    return sorted(found)


def told(times: list[float]) -> str:
    return f"p50 {1000 * times[len(times) // 2]:.2f} ms, p99 {1000 * times[len(times) * 99 // 100]:.2f} ms"


def check(processes: list[Process], calls: int) -> None:
    old = answers = 0
    times = []
    rounds = -(-calls // len(processes))
    stopped = 0.0
    for n in range(1, rounds + 1):
        for each in processes[:-1]:
            each("price()")
        if n % 50 == 0 and not stopped:
            os.kill(processes[-1].pid, signal.SIGSTOP)
            stopped = time.monotonic()
        connection().raw("SET", "source", n)
        began = time.perf_counter()
        invalidate_tags("prices", settle=True)
        times.append(time.perf_counter() - began)
        if stopped and time.monotonic() - stopped > 1:
            os.kill(processes[-1].pid, signal.SIGCONT)
            stopped = 0.0
        for each in processes[:-1] if stopped else processes:
            old += each("price()") != n
            answers += 1
    if stopped:
        os.kill(processes[-1].pid, signal.SIGCONT)
    print(f"{answers} answers, {old} of them old; {told(sorted(times))}")


def simulated(server: Server, ears: int, calls: int) -> None:
    import subprocess

    command = [sys.executable, __file__, "--answer", str(server.address), "--ears", str(ears)]
    with subprocess.Popen(command) as process:
        try:
            wait_until(lambda: connection().raw("HLEN", "rc:z") == ears, 30, what="all ears have entered")
            print(f"{ears} simulated ears: {told(timed(calls))}")
        finally:
            process.terminate()


def answer(address: str, ears: int) -> None:
    """Be that many ears: each answers over its own data connection."""
    selector = selectors.DefaultSelector()
    for n in range(ears):
        hears, says = (socket.socket(socket.AF_UNIX) for _ in range(2))
        for each in (hears, says):
            each.connect(address)
        hears.sendall(hiredis.pack_command(("SUBSCRIBE", "rc:z:0")))
        says.sendall(hiredis.pack_command(("HSET", "rc:z", f"ear{n}", "1000:0")))
        selector.register(hears, selectors.EVENT_READ, (n, says, hiredis.Reader()))
        selector.register(says, selectors.EVENT_READ, None)
    while True:
        for key, _ in selector.select():
            data = key.fileobj.recv(65536)  # type: ignore[union-attr]
            if not data:
                return
            if key.data is None:
                continue
            n, says, reader = key.data
            reader.feed(data)
            last = None
            while (message := reader.gets()) is not False:
                last = message[2] if message[0] == b"message" else last
            if last is not None:
                says.sendall(hiredis.pack_command(("HSET", "rc:z", f"ear{n}", b"1000:" + last)))


if __name__ == "__main__":
    main()
