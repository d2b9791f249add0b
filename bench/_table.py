"""What a script says of its run in one line: the interface between the scripts and the table that `make bench` prints.

A script hands `rows` to `write_down`, a list of what `row` returns:

    await write_down("log", admin, {..., "rows": [row("the log", 0.55, 0.5, unit="of bare", figures={"per_s": 18_000})]})

and says its row only once it knows that what it measured was right: whoever raises `Wrong` writes nothing down.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """`ratio` is held against `target`: at least that, or at most that where less is better."""

    what: str
    ratio: float
    target: float
    unit: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    at_most: bool = False

    @property
    def is_reached(self) -> bool:
        return self.ratio <= self.target if self.at_most else self.ratio >= self.target


@dataclass(frozen=True, slots=True)
class Refused:
    """A script of which no figure is shown, and why."""

    script: str
    why: str


def row(
    what: str,
    ratio: float,
    target: float,
    *,
    unit: str,
    figures: Mapping[str, Any] | None = None,
    at_most: bool = False,
) -> dict[str, Any]:
    """Return one line of the table. `unit` finishes the sentence "0.83 ...": "of set-based SQL", "times one worker", "ms".

    `figures` are the absolute ones behind it, by names that carry their unit (`per_s`, `p99_ms`).
    """
    return asdict(Row(what, ratio, target, unit, dict(figures or {}), at_most))


def rows_of(script: str, said: Mapping[str, Any]) -> list[Row | Refused]:
    """Return the lines that a script's JSON says; one that says none, or says them in another way, is refused."""
    try:
        rows: list[Row | Refused] = [Row(**each) for each in said["rows"]]
    except (KeyError, TypeError) as error:
        return [Refused(script, f"its JSON says no rows ({error!r})")]
    return rows or [Refused(script, "its JSON says no rows")]


def markdown(rows: Sequence[Row | Refused]) -> str:
    """Return the table."""
    said = ["| what | ratio | | target | | figures |", "|---|---:|---|---:|---|---|"]
    for each in rows:
        if isinstance(each, Refused):
            said.append(f"| `{each.script}` | - | refused: {each.why} | | | |")
            continue
        bound, verdict = "≤" if each.at_most else "≥", "reached" if each.is_reached else "**missed**"
        figures = ", ".join(f"{name} {_number(value)}" for name, value in each.figures.items())
        cells = (each.what, _number(each.ratio), each.unit, f"{bound} {_number(each.target)}", verdict, figures)
        said.append("| " + " | ".join(cells) + " |")
    return "\n".join(said) + "\n"


def machine_line(machine: Mapping[str, Any]) -> str:
    """Name what was measured on, in one sentence."""
    return (
        f"{machine['cores']} cores of {machine['processor']}, {machine['memory_gb']:g} GB, Linux {machine['kernel']}, "
        f"PostgreSQL {machine['postgresql']} (fsync {machine['fsync']}), Python {machine['python']}; "
        f"load {machine['load'][0]:.1f} in the first script's last minute"
    )


def written(results: Path, script: str) -> Mapping[Path, int]:
    """Return what a script has written down so far, and when each was."""
    return {path: path.stat().st_mtime_ns for path in results.glob(f"{script}-2*.json")}


def newest(results: Path, script: str, *, beside: Mapping[Path, int]) -> Mapping[str, Any] | None:
    """Return what a script wrote down last, beside what was there before; None if that is nothing."""
    found = {path: at for path, at in written(results, script).items() if beside.get(path) != at}
    return json.loads(max(found, key=lambda path: found[path]).read_text()) if found else None


def _number(value: Any) -> str:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return str(value)
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"
