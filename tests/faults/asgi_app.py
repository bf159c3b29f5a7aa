"""The application that ``asgi.py`` puts under load: FastAPI endpoints over cached functions, sync and async."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from rcollections import CacheError, DictCache, ainvalidate_tags, cached
from tests.torture.source import Source

__all__ = ["KEYS", "app"]

KEYS = 60

app = FastAPI()
source = Source(Path(os.environ["ASGI_SOURCE"]), KEYS)
computed: dict[int, int] = {}


class Recent(DictCache[str, int]):
    """What may be missing while the server is away."""

    prefix = "recent"
    on_error = "empty"


def tags(n: int) -> tuple[str]:
    return (f"item:{n}",)


@cached(ttl=60, l1=False, tags=tags)
async def strict(n: int) -> int:
    await asyncio.sleep(0.001)
    return source.version(n)


@cached(ttl=60, tags=tags)
async def held(n: int) -> int:
    await asyncio.sleep(0.001)
    return source.version(n)


@cached(ttl=60, l1=False, tags=tags)
def on_threads(n: int) -> int:
    return source.version(n)


@cached(ttl=60, l1=False)
async def probe(n: int) -> int:
    computed[n] = computed.get(n, 0) + 1
    return n


@app.get("/strict/{n}")
async def get_strict(n: int) -> dict[str, int]:
    return {"version": await strict(n)}


@app.get("/held/{n}")
async def get_held(n: int) -> dict[str, int]:
    return {"version": await held(n)}


@app.get("/threads/{n}")
def get_on_threads(n: int) -> dict[str, int]:
    Recent(n % 5)["seen"] = n
    return {"version": on_threads(n)}


@app.get("/several/{n}")
async def get_several(n: int) -> dict[str, int]:
    """The least of twenty calls at once, each of this key or of one that never changes."""
    versions = await asyncio.gather(*(strict(n) for _ in range(20)))
    return {"version": min(versions)}


@app.post("/change/{n}")
async def change(n: int) -> dict[str, Any]:
    """The source first, then the caches. A change that could not be told is kept, and told later."""
    version = source.version(n) + 1
    source.write(n, version)
    try:
        await ainvalidate_tags(f"item:{n}")
    except CacheError:
        return {"version": version, "told": False}
    return {"version": version, "told": True}


@app.get("/recovered/{n}")
async def recovered(n: int) -> dict[str, bool]:
    """Whether a result is kept on the server again."""
    await probe(n)
    await probe(n)
    return {"recovered": computed[n] == 1}


@app.get("/storm/{n}")
async def storm(n: int) -> dict[str, int]:
    """5,000 calls in one gather, of keys that nobody has computed."""
    first = KEYS + 5000 * n
    answers = await asyncio.gather(*(probe(first + m) for m in range(5000)), return_exceptions=True)
    wrong = [answer for m, answer in enumerate(answers) if answer != first + m]
    return {"wrong": len(wrong), "errors": probe.cache_info().errors}
