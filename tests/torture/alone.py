"""The faults of one server behind a proxy, and of another one that its address moves to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .faults import Injector

if TYPE_CHECKING:
    from collections.abc import Callable

    from rcollections.testing import Proxy, Server

    from .crew import Crew
    from .source import Source

__all__ = ["AloneFaults"]


class AloneFaults(Injector):
    """Of two servers behind the first proxy, one at a time, and of a server of counts behind the second."""

    def __init__(self, seed: int, crew: Crew, source: Source, servers: list[Server], proxies: list[Proxy]) -> None:
        super().__init__(seed, crew, source)
        self._caches, self._counts = servers[:2], servers[2]
        self._proxies = proxies  # before the caches, before the server of counts
        self._target = 0

    def faults(self) -> list[Callable[[], None]]:
        return [
            self.cut, self.cut_request, self.cut_reply, self.freeze, self.freeze_listeners, self.freeze_replies,
            self.drip, self.refuse, self.move, self.move_quietly, self.stop_server, self.kill_server, self.flush,
            self.kill_worker, self.stop_worker, self.fail_source,
        ]  # fmt: skip

    def heal(self) -> None:
        for proxy in self._proxies:
            proxy.heal()
        super().heal()

    def _proxy(self) -> Proxy:
        return self._random.choice(self._proxies)

    # -- the network -------------------------------------------------------------------------------

    def cut(self) -> None:
        self._proxy().cut(self._random.choice(("all", "data", "listeners")))

    def cut_request(self) -> None:
        self._proxy().cut_after_request(self._random.randint(1, 20))
        self._for(0.1, 0.3)

    def cut_reply(self) -> None:
        self._proxy().cut_next_reply(self._random.randint(0, 3))
        self._for(0.1, 0.3)

    def freeze(self) -> None:
        proxy = self._proxy()
        proxy.freeze()
        self._for(0.1, 2.0)
        proxy.heal()

    def freeze_listeners(self) -> None:
        self._proxies[0].freeze(which="listeners")
        self._for(0.3, 3.0)
        self._proxies[0].heal()

    def freeze_replies(self) -> None:
        proxy = self._proxy()
        proxy.freeze("replies")
        self._for(0.1, 1.5)
        proxy.heal()

    def drip(self) -> None:
        proxy = self._proxy()
        proxy.drip(self._random.choice((200.0, 5000.0)))
        self._for(0.2, 1.0)
        proxy.heal()

    def refuse(self) -> None:
        proxy = self._proxy()
        proxy.refuse(keep_links=self._random.random() < 0.5)
        self._for(0.1, 2.0)
        proxy.heal()

    def move(self) -> None:
        """The address leads to the other server, which is empty, and all connections are cut."""
        self._move("all")

    def move_quietly(self) -> None:
        """The address leads to the other server, and connections that listen stay where they are."""
        self._move("data")

    def _move(self, which: str) -> None:
        other = self._caches[1 - self._target]
        with other.client() as client:
            client.flushall()
        self._proxies[0].retarget(other, which)  # type: ignore[arg-type]
        self._target = 1 - self._target
        self._for(0.5, 2.5)

    # -- servers -----------------------------------------------------------------------------------

    def stop_server(self) -> None:
        server = self._random.choice((self._caches[self._target], self._counts))
        server.freeze()
        self._for(0.1, 2.0)
        server.thaw()

    def kill_server(self) -> None:
        """The cache comes back empty, the server of counts with all that it acknowledged."""
        server = self._random.choice((self._caches[self._target], self._counts))
        server.kill()
        self._for(0.0, 1.0)
        server.start()

    def flush(self) -> None:
        with self._caches[self._target].client() as client:
            client.flushall()
