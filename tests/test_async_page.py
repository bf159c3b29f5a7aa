"""The FastAPI example of docs/async.md, where FastAPI and its test client are installed."""

from __future__ import annotations

import asyncio
from types import ModuleType
from typing import Any

import pytest

from tests.test_docs import ROOT, blocks


def test_the_fastapi_example_runs(fresh: Any) -> None:
    """As it stands on the page."""
    pytest.importorskip("fastapi")
    httpx = pytest.importorskip("httpx")
    (block,) = [each for each in blocks(ROOT / "docs" / "async.md") if each.language == "py"]
    module = ModuleType("fastapi_example")
    exec(compile(block.text, "docs/async.md", "exec", dont_inherit=True), module.__dict__)  # noqa: S102

    async def main() -> None:
        app = httpx.ASGITransport(app=module.app)
        async with httpx.AsyncClient(transport=app, base_url="http://shop") as client:
            for _ in range(2):
                assert (await client.get("/reports/monday")).json() == {"orders": 7}
        assert await module.Hits("today")["/reports/monday"] == 2

    asyncio.run(main())
