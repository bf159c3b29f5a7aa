"""``Placed``: a server with a place and a name among others, which the kit asks for its state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .daemons import Daemon

if TYPE_CHECKING:
    from .places import Place

__all__ = ["Placed"]


class Placed(Daemon):
    """What nodes and sentinels have in common."""

    def __init__(self, kind: str, name: str, place: Place, password: str | None) -> None:
        super().__init__(kind, password)
        self.name = name
        self.place = place
        self._asking: Any = None
        self._frozen = False

    @property
    def host(self) -> str:
        """The host that clients connect to."""
        return self.place.host

    @property
    def port(self) -> int:
        """The port that clients connect to."""
        return self.place.port

    @property
    def address(self) -> tuple[str, int]:
        """The address for clients, for ``socket.connect``."""
        return self.place.host, self.place.port

    @property
    def answers(self) -> bool:
        """Whether the process runs and is not frozen."""
        return self.alive and not self._frozen

    def ask(self, *command: str | bytes | int) -> Any:
        """Send one command to the process itself, and give the bare reply; an error of redis-py if it fails."""
        if self._asking is None:
            self._asking = self.client(socket_timeout=5.0)
            self._asking.response_callbacks.clear()
        return self._asking.execute_command(*command)

    def launch(self) -> None:
        """Start the process and wait for nothing: several servers come up side by side."""
        self._frozen = False
        super().launch()

    def freeze(self) -> None:
        """SIGSTOP: the kernel still accepts connections, no answer comes. Returns once the process has stopped."""
        super().freeze()
        self._frozen = True

    def thaw(self) -> None:
        """SIGCONT: the process goes on, with the commands that clients have sent meanwhile."""
        super().thaw()
        self._frozen = False

    def resume(self) -> None:
        """The same as ``thaw()``."""
        self.thaw()
