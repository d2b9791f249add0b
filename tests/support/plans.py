"""How many rows a statement looks at: what it costs, whatever it returns."""

import json
from collections.abc import Iterator
from typing import Any

from guilder.platform.db.tx import Tx


async def looked_at(tx: Tx, sql: str, *values: object) -> dict[str, float]:
    """Run a statement, and return by kind of plan node how many rows it went through, filtered out or not."""
    [row] = await tx.fetch(f"explain (analyze, format json) {sql}", *values)
    return {node["Node Type"]: _seen(node) for node in _nodes(json.loads(row[0])[0]["Plan"])}


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from _nodes(each)


def _seen(node: dict[str, Any]) -> float:
    filtered = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Join Filter", 0)
    return float(node["Actual Loops"] * (node["Actual Rows"] + filtered))
