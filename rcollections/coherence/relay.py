"""What a loop without the GIL leaves to the thread of its ear (rule Q8).

The loop moves words. It also answers those who settle, and proves, wherever the post can hand its connection over
(Z1, Q7); this thread opens the connections then, and enters. Elsewhere, as for an ear in several namespaces, or one
that may not be asked, this thread answers and publishes the proof, over its own connection.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from .attendant import Apart, Wait
from .ending import Ending
from .places import Gone

if TYPE_CHECKING:
    from collections.abc import Generator

    from ..l1 import Words
    from ..wire.dsn.dsn import Dsn
    from ._ear import Loop
    from .attendant import Job
    from .common import Common
    from .post import Post
    from .proof import Told
    from .surety import Surety

__all__ = ["SILENCE", "Relay"]

SILENCE = 2.0  # times ``staleness``: after that time without an answer the connection counts as lost


class Owner(Protocol):
    """What a relay has to know of the hearer of its ear."""

    staleness: float
    words: Words
    node: int
    common: Common


class Relay(Ending):
    """The part of an ear that hands on what a loop hears. Not an ear of its own."""

    _hearer: Owner
    _dsn: Dsn
    _link: Any
    _post: Post | None
    _surety: Surety
    address: tuple[str, int]
    _loop: Loop | None
    _proved: tuple[int, int]

    def _hand_on(self, make: type[Loop]) -> Job:
        """Tell the hearer what the loop leaves to Python, until it ends."""
        hearer, post = self._hearer, self._post
        words = hearer.words
        alone = not self._surety.asks and (post is None or post.can_be_handed_over)
        channel = post.channel if post is not None and alone else b""
        number = words.enlist(self, hearer.node)
        why = None
        try:
            fd, timeout = self._link.sock.fileno(), self._dsn.timeout
            loop = self._loop = make(words, number, fd, timeout, alone, channel, hearer.node, hearer.common.hub)
            if post is None:
                while why is None and not self.stopped:
                    yield Wait((loop.fileno(),), 1.0)
                    found, why = loop.wait(0)
                    for told in found:
                        self._tell(told)
            elif alone:
                why = yield from self._hand_over(loop, post)
            else:
                why = yield from self._answer(loop, post)
        finally:
            words.leave(self)
        if why == "silent":
            raise TimeoutError("the server does not answer")
        if not self.stopped:
            raise ConnectionError("the connection is lost")

    def _hand_over(self, loop: Loop, post: Post) -> Generator[Wait | Apart, Any, str | None]:
        """The loop answers and proves: enter, and open connections. Gives what ended the loop."""
        post.hand_over(loop)
        while not self.stopped:
            yield Wait((loop.fileno(),), 0.01 if post.hurried else 1.0)
            found, why = loop.wait(0)
            for told in found:
                if told[0] == "unanswered":
                    raise Gone("the server did not take the answer of this listener, or knows it no more")
                if told[0] == "broken":
                    post.broken()
                elif told[0] == "lapsed":
                    yield Apart(post.enter_anew)
                else:
                    self._tell(told)
            if why is not None:
                return why
            post.keep_up()
        return None

    def _answer(self, loop: Loop, post: Post) -> Generator[Wait | Apart, Any, str | None]:
        """Answer and prove, while the loop moves the words. Gives what ended the loop."""
        held: tuple[int, int] | None = None  # the last instant that the loop has heard of
        covered: tuple[int, int] | None = None  # the one that the no-op on its way is for
        entered, lost_at = 0, 0.0
        while not self.stopped:
            yield Wait((loop.fileno(), *post.fds), 0.01 if post.hurried else 1.0)
            found, why = loop.wait(0)
            for told in found:
                if told[0] == "proved":
                    held = told[1]
                else:
                    self._tell(told)
            if why is not None:
                return why
            post.answer()
            post.read()
            if covered is not None and post.answered:
                if self._lapsed(covered):
                    yield Apart(post.enter)
                    entered, held = time.monotonic_ns(), None
                elif covered[0] > entered:
                    self._tell(("proved", covered))
                covered = None
            if covered is None and held is not None:
                covered, held = held, None
                self._tick()  # behind the instant: so the answers say that the ear was there later
                lost_at = time.monotonic() + max(SILENCE * self._hearer.staleness, self._dsn.timeout)
            if covered is not None and time.monotonic() > lost_at:
                raise TimeoutError("the server does not answer")
        return None

    def _tick(self) -> None:
        """A period of the proof begins: what has to be answered before it counts."""
        if self._post is not None:
            self._post.tick()
        self._surety.tick()

    def _lapsed(self, instant: tuple[int, int]) -> bool:
        """Whether the proof before this one does not count any more: others may have taken this ear for gone (Z1)."""
        before, self._proved = self._proved, instant
        if before == (0, 0):
            return False
        longest = self._hearer.staleness * 1e9
        return time.monotonic_ns() - before[0] > longest or time.time_ns() - before[1] > longest

    def _tell(self, told: Told) -> str:
        if not told:
            return ""
        word, *about = told
        if word == "proved" and not self._surety.proves(self.address, about[0][0]):
            return "proved"  # but not that this server is the primary: the next one may
        if word == "published" and self._post is not None and self._post.round(about[0]):
            return ""
        getattr(self._hearer, word)(self, *about)
        return str(word)
