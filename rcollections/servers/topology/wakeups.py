"""``ClusterWakeups``: callers that wait hear the node that owns their key: there a script publishes without the bus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...plans.naming import channel as channel_of
from ...plans.slots import slot_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .node import ClusterNode

__all__ = ["ClusterWakeups"]


class ClusterWakeups:
    """Signals by channel; as ``Wakeups`` of one server. A message reaches all nodes, the owner of the key first."""

    def __init__(self, namespace: str, node: Callable[[int], ClusterNode | None]) -> None:
        self._before = len(channel_of(namespace, ""))
        self._node = node

    def listen(self, channel: str, signal: Any) -> None:
        """Set the signal at the next message. On return a node has confirmed, or ``signal.deaf`` is True."""
        node = self._node(slot_of(channel[self._before :]))
        if node is None or node.breaker.failure is not None:
            signal.deaf = True
        else:
            node.wakeups.listen(channel, signal)
