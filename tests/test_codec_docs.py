"""The examples of docs/values.md and docs/security.md run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("page", ["values.md", "security.md"])
def test_every_example_of_the_page_runs(page: str) -> None:
    """From top to bottom, in one namespace."""
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.M | re.S)
    assert blocks
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks:
        exec(compile(block, page, "exec", dont_inherit=True), namespace)  # noqa: S102
