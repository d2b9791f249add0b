"""What is kept of a storm for people: the verdict, its figures, the picture, and the command that does it again."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.chaos import picture, verdict
from tests.chaos.evidence import Evidence
from tests.chaos.verdict import Finding

SHOWN_MAX = 60
PICTURE = "timeline.svg"


def write(seen: Evidence, findings: Sequence[Finding], folder: Path) -> None:
    (folder / PICTURE).write_text(picture.drawn(seen.blows, seen.calls, seconds=seen.schedule.seconds))
    (folder / "report.md").write_text(text(seen, findings, folder))


def text(seen: Evidence, findings: Sequence[Finding], folder: Path) -> str:
    schedule = seen.schedule
    parts = [
        f"# Chaos, seed {schedule.seed}: {'well' if not findings else f'{len(findings)} findings'}",
        (
            f"The {schedule.form} form, {schedule.seconds:.0f} s of storm, {schedule.clients} clients, "
            f"{len(seen.books)} sandboxes. Again: `{again(folder)}` (the schedule is the same, what meets it is not)."
        ),
        "## Verdict",
        "\n".join(f"- {each}" for each in findings[:SHOWN_MAX]) or "Everything held.",
        "## Figures",
        _table(("what", "how many"), [(what, str(many)) for what, many in verdict.counts(seen).items()]),
        f"## What happened\n\n![faults as bars, and answers a second: good, refused, failed]({PICTURE})",
        _table(
            ("from", "to", "answers again", "what", "hits"),
            [(_s(each.began), _s(each.ended), _s(each.ready), each.fault.says, str(each.hits)) for each in seen.blows],
        ),
        "## Answers",
        _table(("what was asked", "answers"), _answers(seen)),
        "## Windows\n\nWhen a client was allowed to see a 5xx (API, nginx or the primary was struck): "
        + (", ".join(f"{start:.0f} to {end:.0f} s" for start, end in verdict.windows(seen.blows)) or "never")
        + ".",
    ]
    return "\n\n".join(parts) + "\n"


def again(folder: Path) -> str:
    return f'make chaos ARGS="--replay {folder / "schedule.json"}"'


def _answers(seen: Evidence) -> list[tuple[str, str]]:
    found: dict[str, Counter[str]] = {}
    for call in seen.calls:
        said = str(call.status) if call.status else call.error
        found.setdefault(call.does, Counter())[f"{said} {call.code}".strip()] += 1
    return [(does, ", ".join(f"{said}: {many}" for said, many in told.most_common())) for does, told in found.items()]


def _s(at: float | None) -> str:
    return "" if at is None else f"{at:.1f} s"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
