"""``Switchboard``: the network between servers and their clients, which breaks between any two of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from .exchange import CLIENT, Exchange
from .flows import Rule
from .placed import Placed

if TYPE_CHECKING:
    import ssl

    from .flows import Kind
    from .places import Place

__all__ = ["Between", "Names", "Switchboard"]

_KINDS: tuple[Kind, ...] = ("clients", "replication", "bus")

Between = Literal["all", "clients", "replication", "bus"]
Names = str | Placed | Iterable[str | Placed]


class Switchboard:
    """Carries all bytes between nodes, sentinels and clients. It is the ``network`` of a cluster or of sentinels.

    Faults are between names: "n0", "n1" … for nodes, "s0" … for sentinels (the objects themselves will do), "client"
    for this process and all others that are no guest. ``which`` are the connections of "clients", those over which
    nodes copy data from one another ("replication"), those of the cluster's "bus", or "all". Faults add up until
    ``heal()``. Each method returns once its change is in force.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._exchange = Exchange(tls)

    # -- faults ----------------------------------------------------------------------------------------

    def partition(self, *groups: Names) -> None:
        """Let nothing through between these groups; whoever is in none of them makes one more group.

        Nobody is told: connections stay, and what is sent on them arrives late, after ``heal()``. A connection that
        is opened meanwhile waits.
        """
        sides = [self._read(group) for group in groups]
        named: frozenset[str] = frozenset().union(*sides)
        if sum(map(len, sides)) != len(named):
            raise ValueError("a name is in two groups")
        sides.append(self._everyone() - named)
        pairs = [(one, other) for number, one in enumerate(sides) for other in sides[number + 1 :]]
        self._add(*(Rule(one, other, frozenset(_KINDS), frozen=True) for one, other in pairs))

    def freeze(self, one: Names, other: Names, which: Between = "all", *, one_way: bool = False) -> None:
        """Let nothing through between these; ``one_way``: only what goes from ``one`` to ``other`` is stopped."""
        self._add(self._rule(one, other, which)._replace(frozen=True, one_way=one_way))

    def slow(self, one: Names, other: Names, seconds: float, which: Between = "all", *, one_way: bool = False) -> None:
        """All bytes between these arrive so much later; ``one_way``: only those from ``one`` to ``other``."""
        if not seconds > 0:
            raise ValueError(f"bytes are late by more than 0 seconds, not {seconds!r}: see freeze()")
        self._add(self._rule(one, other, which)._replace(delay=seconds, one_way=one_way))

    def refuse(self, one: Names, other: Names, which: Between = "all") -> None:
        """Cut the connections between these, and break each new one at once."""
        self._add(self._rule(one, other, which)._replace(refused=True))
        self.cut(one, other, which)

    def cut(self, one: Names, other: Names, which: Between = "all") -> None:
        """Cut the connections between these now; new connections work."""
        rule = self._rule(one, other, which)
        self._exchange.do(lambda: self._exchange.cut(rule))

    def heal(self) -> None:
        """End all faults. What was held up arrives now."""
        self._exchange.do(lambda: self._exchange.obey([]))

    def guest(self, name: str) -> str:
        """A name for one more client, and its address: a process that calls ``speak_from(address)`` has this name."""
        if name in self._everyone():
            raise ValueError(f"{name!r} is there already")
        names = self._exchange.names
        address = f"127.0.2.{1 + sum(each.startswith('127.0.2.') for each in names)}"
        self._exchange.do(lambda: names.update({address: name}))
        return address

    # -- life ------------------------------------------------------------------------------------------

    def add(self, name: str, place: Place, *, bus: bool) -> None:
        """Stand before one more server."""
        exchange = self._exchange
        failed: list[OSError] = []

        def job() -> None:
            try:
                exchange.listen(name, (place.host, place.port), (place.host, place.own_port), bus=False)
                if bus:
                    exchange.listen(name, (place.host, place.bus), (place.host, place.own_bus), bus=True)
                exchange.names[place.host] = name
            except OSError as error:
                failed.append(error)

        exchange.do(job)
        if failed:
            raise RuntimeError(f"the network cannot listen for {name}: {failed[0]}")

    def remove(self, name: str) -> None:
        """Stand before this server no longer."""
        exchange = self._exchange

        def job() -> None:
            exchange.deafen(name)
            for address in [each for each, of in exchange.names.items() if of == name]:
                del exchange.names[address]

        exchange.do(job)

    def stop(self) -> None:
        """Cut all connections, and listen no longer. May be called twice."""
        self._exchange.end()

    # -- inside ----------------------------------------------------------------------------------------

    def _everyone(self) -> frozenset[str]:
        return frozenset({CLIENT, *self._exchange.names.values()})

    def _read(self, names: Names) -> frozenset[str]:
        several = [names] if isinstance(names, str | Placed) else list(names)
        found = frozenset(each if isinstance(each, str) else each.name for each in several)
        if unknown := found - self._everyone():
            raise ValueError(f"no {', '.join(sorted(unknown))} here: there are {', '.join(sorted(self._everyone()))}")
        return found

    def _rule(self, one: Names, other: Names, which: Between) -> Rule:
        if which != "all" and which not in _KINDS:
            raise ValueError(f"which connections: all, {', '.join(_KINDS)}, not {which!r}")
        return Rule(self._read(one), self._read(other), frozenset(_KINDS if which == "all" else (which,)))

    def _add(self, *rules: Rule) -> None:
        self._exchange.do(lambda: self._exchange.obey([*self._exchange.rules, *rules]))
