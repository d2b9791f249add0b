"""The storm as a picture: faults as bars, a lane a part; below, what was answered in each second, and what was not."""

from collections import Counter
from collections.abc import Sequence
from html import escape

from tests.chaos.asking import Call
from tests.chaos.nemesis import Blow

LEFT, WIDTH, LANE, PLOT, ROOM = 120, 1000, 16, 120, 24
COLOURS = {
    "kill": "#b3261e",
    "stop": "#b3261e",
    "fell": "#000000",
    "gave up": "#777777",
    "freeze": "#2f6fb2",
    "provider": "#8a5a00",
}
OTHER = "#6b4fa0"
GOOD, REFUSED, BAD = "#4c9f70", "#c9b458", "#b3261e"


def drawn(blows: Sequence[Blow], calls: Sequence[Call], *, seconds: float) -> str:
    """Draw the run as SVG."""
    ends = max([seconds, *(call.at + call.took for call in calls), *(blow.ready or 0 for blow in blows)])
    parts = sorted({blow.part for blow in blows})
    height = ROOM + LANE * len(parts) + ROOM + PLOT + ROOM
    inside = [
        *_lanes(blows, parts, ends),
        *_answers(calls, ends, top=ROOM + LANE * len(parts) + ROOM),
        *_axis(ends, height),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + ROOM}" height="{height}" '
        f'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#ffffff"/>\n'
        + "\n".join(inside)
        + "\n</svg>\n"
    )


def _x(at: float, ends: float) -> float:
    return round(LEFT + WIDTH * min(at, ends) / ends, 1)


def _lanes(blows: Sequence[Blow], parts: Sequence[str], ends: float) -> list[str]:
    found = []
    for number, part in enumerate(parts):
        top = ROOM + LANE * number
        found.append(f'<text x="{LEFT - 8}" y="{top + 12}" text-anchor="end">{escape(part)}</text>')
        found.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{top + LANE}" y2="{top + LANE}" stroke="#eeeeee"/>')
        for blow in (each for each in blows if each.part == part):
            start, end = _x(blow.began, ends), _x(blow.ended or blow.began, ends)
            ready = _x(blow.ready or blow.ended or blow.began, ends)
            says = escape(f"{blow.fault.says}, {blow.began:.1f} s to {blow.ended or blow.began:.1f} s")
            colour = COLOURS.get(blow.fault.kind, OTHER)
            # Pale: it was started again and did not answer yet.
            found.append(
                f'<g><title>{says}</title><rect x="{start}" y="{top + 3}" width="{max(end - start, 2):.1f}" '
                f'height="{LANE - 5}" fill="{colour}"/><rect x="{end}" y="{top + 3}" '
                f'width="{max(ready - end, 0):.1f}" height="{LANE - 5}" fill="{colour}" opacity="0.3"/></g>'
            )
    return found


def _answers(calls: Sequence[Call], ends: float, *, top: float) -> list[str]:
    kinds = [_kind(call) for call in calls]
    by_second = Counter((int(call.at + call.took), kind) for call, kind in zip(calls, kinds, strict=True))
    most = max((sum(by_second[second, kind] for kind in (GOOD, REFUSED, BAD)) for second, _ in by_second), default=1)
    found = [f'<text x="{LEFT - 8}" y="{top + 12}" text-anchor="end">{most}/s</text>']
    width = max(WIDTH / ends - 0.5, 0.5)
    for second in range(int(ends) + 1):
        foot = top + PLOT
        for kind in (GOOD, REFUSED, BAD):
            tall = round(PLOT * by_second[second, kind] / most, 1)
            if tall:
                foot -= tall
                where = f'x="{_x(second, ends)}" y="{foot:.1f}" width="{width:.1f}" height="{tall}"'
                found.append(f'<rect {where} fill="{kind}"/>')
    return found


def _kind(call: Call) -> str:
    if call.is_ack:
        return GOOD
    return BAD if call.status == 0 or call.status >= 500 else REFUSED


def _axis(ends: float, height: float) -> list[str]:
    step = next(each for each in (5, 10, 30, 60, 300, 600, 3600) if ends / each <= 20 or each == 3600)
    return [
        f'<text x="{_x(at, ends)}" y="{height - 6}" text-anchor="middle">{at} s</text>'
        for at in range(0, int(ends) + 1, step)
    ]
