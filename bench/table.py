"""Every script in its short form, or its full one, after each other: one table of ratios, JSON and a picture beside it.

    python bench/table.py [short|full] [script ...]       (short, and all of them)
    python bench/table.py last [script ...]               nothing is run: what each of them wrote down last
    python bench/table.py publish                         the last table into docs/performance.md, with its picture

A script says its rows in what it writes down (`_table.row`), and writes nothing down unless what it measured was right:
a script that found its run wrong has no figure here either, but the reason. Exits 1 where a script was refused; a target
that was missed is said, and no error: it depends on the machine.
"""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from _drawing import Line, chart
from _quiet import quiet
from _server import RESULTS
from _table import Refused, Row, machine_line, markdown, newest, row, rows_of, written

HERE = Path(__file__).parent
PUBLISHED = HERE / "table.json"
PAGE = HERE.parent / "docs" / "performance.md"
PICTURE = HERE.parent / "docs" / "pictures" / "cost-per-renewal.svg"
BETWEEN = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- /table -->)", re.DOTALL)
COMMANDS = {"short": "`make bench`", "full": "`make bench-full`", "last": "The last run of each script"}
SHORT_LIMIT_S, FULL_LIMIT_S = 900, 6 * 3_600
END_S = 60


@dataclass(frozen=True, slots=True)
class Script:
    """What is given to a script for a few minutes, and for as long as it takes."""

    name: str
    short: tuple[str, ...] = ()
    full: tuple[str, ...] = ()
    takes_turns: bool = False
    """Itself, step by step (`_quiet.py`): any other has the machine for itself from its beginning to its end."""


SCRIPTS = (
    Script("billing", ("1000", "3"), ("5000,50000", "5")),
    Script("journey", ("1000", "1"), ("1,100,1000,5000", "3")),
    Script("orm", ("1000", "3"), ("5000", "5")),
    Script("growth", ("10000,100000", "2", "500", "2"), ("10000,100000,1000000", "5"), takes_turns=True),
    Script("mixed", ("2000", "3"), ("10000", "5"), takes_turns=True),
    Script("pair", ("3000", "3"), ("10000", "5"), takes_turns=True),
    Script("soak", ("1", "300"), ("60", "5000"), takes_turns=True),
    Script("usage"),
    Script("month", ("1000000", "3"), ("5000000", "3")),
    Script("intake"),
    Script("entitlements"),
    Script("subscribe"),
    Script("log"),
    Script("invoices"),
)


def of_billing(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Say a billing run's rows for it: its JSON is all figures."""
    size, rounds = max(said["rounds"].items(), key=lambda each: int(each[0]))
    each = {name: median(one[name] for one in rounds) for name in ("ms", "same_ms", "ratio", "wal_ratio", "wal_bytes")}
    figures = {"due": int(size), "per_s": round(1_000 / each["ms"]), "ms": each["ms"], "same_ms": each["same_ms"]}
    return [
        row("billing run", each["ratio"], 0.7, unit="of set-based SQL, same rows and tables", figures=figures),
        row(
            "write-ahead log of a billing run",
            each["wal_ratio"],
            1.3,
            unit="times that of the same rows",
            figures={"wal_bytes": round(each["wal_bytes"])},
            at_most=True,
        ),
    ]


def of_journey(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Say the whole way's row, as `of_billing` does."""
    size, each = max(said["renewed"].items(), key=lambda one: int(one[0]))
    figures = {"at_once": int(size), "per_s": round(1_000 / each["ms"]), "ms": each["ms"], "rows": each["rows"]}
    unit = "of set-based SQL, same rows, bare tables"
    return [row("whole journey, step by step", 1 / each["ratio_to_set_based"], 0.2, unit=unit, figures=figures)]


# Whose JSON says no rows, and is read here.
READ: dict[str, Callable[[Mapping[str, Any]], list[dict[str, Any]]]] = {"billing": of_billing, "journey": of_journey}


@dataclass(frozen=True, slots=True)
class Ran:
    script: str
    rows: Sequence[Row | Refused]
    seconds: float
    machine: Mapping[str, Any]
    picture: Mapping[str, Any] | None = None


def run(script: Script, arguments: Sequence[str], *, limit_s: float) -> Ran:
    """Run one, and read what it said."""
    path, began, before = HERE / f"{script.name}.py", time.perf_counter(), written(RESULTS, script.name)
    if not path.exists():
        return Ran(script.name, [Refused(script.name, "there is no such script yet")], 0.0, {})
    print(f"== {script.name} {' '.join(arguments)}", file=sys.stderr, flush=True)
    with nullcontext() if script.takes_turns else quiet():
        code, why = _ended([sys.executable, str(path), *arguments], limit_s)
    if code:
        return Ran(script.name, [Refused(script.name, why or f"it ended with {code}")], 0.0, {})
    return replace(read(script.name, beside=before), seconds=time.perf_counter() - began)


def read(name: str, *, beside: Mapping[Path, int]) -> Ran:
    """Return what a script wrote down last, if that is something new."""
    said = newest(RESULTS, name, beside=beside)
    if said is None:
        return Ran(name, [Refused(name, "it wrote nothing down")], 0.0, {})
    if "rows" not in said and name in READ:
        said = {**said, "rows": READ[name](said)}
    return Ran(name, rows_of(name, said), 0.0, said["machine"], said.get("picture"))


def _ended(command: Sequence[str], limit_s: float) -> tuple[int, str]:
    """Run a command to its end; return its code, and the last that it said to stderr."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=sys.stderr, text=True) as process:
        assert process.stderr is not None
        signal.signal(signal.SIGALRM, lambda *_: process.send_signal(signal.SIGINT))  # it takes down what it started
        signal.alarm(int(limit_s))
        last = ""
        for line in process.stderr:
            print(line, end="", file=sys.stderr, flush=True)
            last = line.strip() or last
        signal.alarm(0)
        return process.wait(END_S), last


def once(script: Script, form: str) -> Ran:
    match form:
        case "last":
            return read(script.name, beside={})
        case "full":
            return run(script, script.full, limit_s=FULL_LIMIT_S)
    return run(script, script.short, limit_s=SHORT_LIMIT_S)


def chosen(names: Sequence[str]) -> list[Script]:
    known = {each.name: each for each in SCRIPTS}
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"no scripts of the table: {', '.join(unknown)} (there are {', '.join(known)})")
    return [known[name] for name in names] or list(SCRIPTS)


def keep(form: str, ran: Sequence[Ran]) -> Path:
    at = datetime.now(UTC)
    path = RESULTS / f"table-{at:%Y%m%dT%H%M%S}.json"
    said = {
        "form": form,
        "at": at.isoformat(timespec="seconds"),
        "machine": next((each.machine for each in ran if each.machine), {}),
        "scripts": {each.script: round(each.seconds, 1) for each in ran},
        "rows": [asdict(each) for one in ran for each in one.rows if isinstance(each, Row)],
        "refused": [asdict(each) for one in ran for each in one.rows if isinstance(each, Refused)],
        "picture": next((each.picture for each in ran if each.picture), None),
    }
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(said, indent=1) + "\n")
    return path


def drawn(said: Mapping[str, Any]) -> str | None:
    """Draw what one of the scripts gave to be drawn."""
    if (picture := said.get("picture")) is None:
        return None
    lines = [Line(name, [(x, y) for x, y in points]) for name, points in picture["lines"].items()]
    return chart(picture["title"], lines, across=picture["across"], up=picture["up"], x_step=picture["x_step"])


def shown(said: Mapping[str, Any]) -> str:
    """Return the table of a run, with the machine, the command and the day."""
    rows: list[Row | Refused] = [Row(**each) for each in said["rows"]]
    rows += [Refused(**each) for each in said["refused"]]
    head = f"{COMMANDS[said['form']]}, {said['at'][:16].replace('T', ' ')} UTC. "
    where = machine_line(said["machine"]) if said["machine"] else "no script said what it ran on"
    return f"{head}{where}.\n\n{markdown(rows)}"


def publish() -> int:
    """Write the last table into the page, and its picture beside it."""
    path = max(RESULTS.glob("table-2*.json"), default=None)
    if path is None:
        print("There is no table to publish: `make bench` makes one.", file=sys.stderr)
        return 1
    said = json.loads(path.read_text())
    PUBLISHED.write_text(json.dumps(said, indent=1) + "\n")
    PAGE.write_text(BETWEEN.sub(lambda _: shown(said), PAGE.read_text()))
    if (picture := drawn(said)) is not None:
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_text(picture)
    print(f"{path.name} is in {PAGE.name}")
    return 0


def main() -> int:
    form, *names = sys.argv[1:] or ["short"]
    if form == "publish":
        return publish()
    if form not in COMMANDS:
        sys.exit(__doc__)
    path = keep(form, [once(each, form) for each in chosen(names)])
    said = json.loads(path.read_text())
    print(f"\n{shown(said)}")
    if (picture := drawn(said)) is not None:
        path.with_suffix(".svg").write_text(picture)
    print(f"written to {path.relative_to(HERE.parent)}{' and its .svg' if picture else ''}")
    return 1 if said["refused"] else 0


if __name__ == "__main__":
    sys.exit(main())
