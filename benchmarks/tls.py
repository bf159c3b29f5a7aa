"""TLS: what one call costs beside a bare blocking TLS socket that sends the same command.

Run: ``python benchmarks/tls.py [--quick]``. It needs a redis-server on PATH that knows TLS, and trustme for the
certificate. Client and server share one core; all cases run in turns, and ratios are medians over the rounds, beside
those of the quickest runs.
"""

from __future__ import annotations

import argparse
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import hiredis
import redis
import trustme

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rcollections import DictCache, KeyCache, cached, configure

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS = 40  # of one run


class Price(KeyCache[str]):
    prefix = "price"
    ttl = 60


@cached(ttl=600, l1=False)
def automatic(n: int) -> Any:
    return {"id": n, "name": "x" * 20, "price": 3.5}


def bare(port: int, authority: str) -> Callable[..., Any]:
    """Sends one command over a TLS socket of its own, without any time limit."""
    plain = socket.create_connection(("localhost", port))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock = ssl.create_default_context(cafile=authority).wrap_socket(plain, server_hostname="localhost")
    reader = hiredis.Reader()

    def ask(*words: Any) -> Any:
        sock.sendall(hiredis.pack_command(words))
        reader.feed(sock.recv(65536))
        return reader.gets()

    return ask


def run(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - began) / CALLS * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description="TLS.")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as directory:
        authority, own = f"{directory}/authority.pem", f"{directory}/own.pem"
        made = trustme.CA()
        made.cert_pem.write_to_path(authority)
        made.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(own)
        with socket.create_server(("localhost", 0)) as free:
            port = free.getsockname()[1]
        options = {"port": 0, "tls-port": port, "tls-cert-file": own, "tls-key-file": own,
                   "tls-ca-cert-file": authority, "tls-auth-clients": "no", "save": "", "dir": directory}  # fmt: skip
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        server = subprocess.Popen(["redis-server", *words], stdout=subprocess.DEVNULL)
        try:
            measure(port, authority, 20 if asked.quick else 200)
        finally:
            server.terminate()
            server.wait()


def measure(port: int, authority: str, rounds: int) -> None:
    client = redis.Redis(port=port, ssl=True, ssl_ca_certs=authority)
    end = time.monotonic() + 5
    while True:
        try:
            client.ping()
            break
        except redis.ConnectionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
    configure(f"rediss://localhost:{port}/0?ssl_ca_certs={authority}")
    ask, price, stock = bare(port, authority), Price("tea", data="green"), DictCache("stock", data={"tea": 3})
    automatic(1)
    entry = str(automatic.key(1))
    cases: dict[str, Callable[[], object]] = {
        "bare TLS socket, GET": lambda: ask("GET", "price.tea"),
        "redis-py get": lambda: client.get("price.tea"),
        "KeyCache.get": price.get,
        "DictCache[f]": lambda: stock["tea"],
        "bare TLS socket, MGET of an entry": lambda: ask("MGET", entry),
        "cached, automatic key": lambda: automatic(1),
        "bare TLS socket, SET PX": lambda: ask("SET", "price.tea", b"green", "PX", "60000"),
        "KeyCache.set with a ttl": lambda: price.set("green"),
    }
    runs = [{name: run(call) for name, call in cases.items()} for _ in range(rounds)]
    print("| | us | ratio | quickest, us | ratio |\n|---|--:|--:|--:|--:|")
    first = ""
    for name in cases:
        first = name if name.startswith("bare") else first
        all_of = [each[name] for each in runs]
        ratio = median(each[name] / each[first] for each in runs)
        least = min(each[first] for each in runs)
        print(f"| {name} | {median(all_of):.1f} | {ratio:.2f} | {min(all_of):.1f} | {min(all_of) / least:.2f} |")


if __name__ == "__main__":
    main()
