"""Watch every operation: before and after, with key, time taken, hit or miss, error. Off means free.

An observer is any object with ``before(event)``, ``after(event)`` or both; ``Observer`` is a base class
where both are empty. Without observers an operation pays one test. The observers are one of the four
places that hold state.

>>> from rcollections import KeyCache, observe
>>> class Print(observe.Observer):
...     def after(self, event):
...         print(event.name, event.operation, event.key, "hit" if event.hit else "miss")
>>> with observe.observing(Print()):
...     KeyCache("nothing", "here").get()
rcollections.KeyCache get nothing.here miss
"""

from __future__ import annotations

from .collector import Stats, collect, stats
from .events import Event, add, observing, remove
from .observer import Logged, Observer

__all__ = ["Event", "Logged", "Observer", "Stats", "add", "collect", "observing", "remove", "stats"]
