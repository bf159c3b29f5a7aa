"""TLS to the sentinels and to the servers: one DSN, one authority for all."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from rcollections import AsyncKeyCache, CacheConnectionError, CacheError, KeyCache, connection, l1_info
from rcollections.testing import available_kinds, isolated, wait_until
from rcollections.testing.kinds import server_binary
from rcollections.testing.launching import free_port, launch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="several servers at once are for Linux here")


class Held(KeyCache[int]):
    prefix = "held"
    l1 = True


def hit() -> bool:
    before = l1_info().hits
    return Held(1).get() is not None and l1_info().hits > before


class Group:
    """A primary, a replica and three sentinels, all of which speak TLS only."""

    def __init__(self, binary: str, directory: Path) -> None:
        authority = trustme.CA()
        self.authority = directory / "authority.pem"
        authority.cert_pem.write_to_path(self.authority)
        made = authority.issue_cert("localhost", "127.0.0.1")
        made.private_key_pem.write_to_path(directory / "key.pem")
        made.cert_chain_pems[0].write_to_path(directory / "cert.pem")
        self._tls = (
            f"port 0\ntls-cert-file {directory}/cert.pem\ntls-key-file {directory}/key.pem\n"
            f"tls-ca-cert-file {self.authority}\ntls-auth-clients no\ntls-replication yes\nbind 127.0.0.1\nsave \"\"\n"
        )  # fmt: skip
        self._binary, self._directory = binary, directory
        self.running: list[subprocess.Popen[bytes]] = []
        self.ports = [free_port() for _ in range(5)]
        first, second, *sentinels = self.ports
        self.start(first)
        self.start(second, f"replicaof 127.0.0.1 {first}\n")
        for port in sentinels:
            self.start(
                port,
                f"sentinel monitor mymaster 127.0.0.1 {first} 2\nsentinel down-after-milliseconds mymaster 1000\n"
                "sentinel failover-timeout mymaster 3000\n",
                "--sentinel",
            )  # fmt: skip
        hosts = ",".join(f"localhost:{port}" for port in sentinels)
        self.dsn = f"rediss+sentinel://{hosts}/mymaster?ssl_ca_certs={self.authority}"

    def start(self, port: int, more: str = "", *words: str) -> None:
        place = self._directory / str(port)
        place.mkdir()
        config = place / "server.conf"
        tls = self._tls.replace('save ""\n', "") if words else self._tls
        config.write_text(f"{tls}tls-port {port}\ndir {place}\n{more}")
        self.running.append(launch([self._binary, str(config), *words], place / "log"))

    def stop(self) -> None:
        for each in self.running:
            each.kill()
            each.wait()


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    if "redis" not in available_kinds():
        pytest.skip("the server of this machine may speak no TLS")
    binary = server_binary("redis")
    assert binary is not None
    if "tls" not in subprocess.run(["ldd", binary], capture_output=True, text=True).stdout.replace("libssl", "tls"):
        pytest.skip("this Redis was built without TLS")
    running = Group(binary, tmp_path_factory.mktemp("tls"))
    try:
        with isolated(running.dsn):
            served(lambda: KeyCache("a").get())
            watch = connection().topology.watch
            wait_until(lambda: watch.verdict.agree == 3 and watch.verdict.replicas, 60, "the replica")
        yield running
    finally:
        running.stop()


def served(call: Any) -> Any:
    end = time.monotonic() + 60
    while True:
        try:
            return call()
        except CacheError:
            assert time.monotonic() < end
            time.sleep(0.02)


def test_both_worlds_and_what_is_held(group: Group) -> None:
    async def run() -> None:
        await AsyncKeyCache("a").set(2)
        assert await AsyncKeyCache("a").get() == 2

    with isolated(group.dsn + "&timeout=5"):
        KeyCache("a").set(1)
        assert KeyCache("a").get() == 1
        asyncio.run(run())
        Held(1).set(1)
        wait_until(hit, what="a held value")


def test_who_does_not_trust_them_is_told(group: Group) -> None:
    bare = group.dsn.partition("?")[0]
    for dsn, told in ((bare, "certificate is not accepted"), (bare.replace("rediss", "redis"), "")):
        with isolated(dsn), pytest.raises(CacheConnectionError, match=f"no sentinel answers .*{told}"):
            KeyCache("a").get()


def test_a_failover(group: Group) -> None:
    with isolated(group.dsn + "&timeout=5"):
        before = connection().topology.primary
        Held(1).set(1)
        wait_until(hit, what="a held value")
        old = before()
        assert old is not None
        group.running[group.ports.index(old[1])].kill()
        served(lambda: Held(1).set(2))
        assert before() != old
        wait_until(lambda: hit() and Held(1).get() == 2, what="a held value of the new primary")
