"""A line chart as SVG, written by hand: readable on white and on black, the same bytes for the same figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 860, 400
LEFT, RIGHT, TOP, BOTTOM = 78, 24, 78, 52
COLOURS = ("#2b7bba", "#d9622b", "#3d9a50", "#8a63c9", "#b8860b", "#888888")
INK, GRID = "#7a7a7a", "#7a7a7a40"


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    points: Sequence[tuple[float, float]]


def chart(title: str, lines: Sequence[Line], *, across: str, up: str, x_step: float) -> str:
    """Draw lines from nought; `x_step` is what lies between two marks below."""
    x_most = max(x for line in lines for x, _ in line.points)
    y_step, y_most = _scale(max(y for line in lines for _, y in line.points))

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            round(LEFT + x / x_most * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - BOTTOM - y / y_most * (HEIGHT - TOP - BOTTOM), 1),
        )

    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<text x="{LEFT}" y="20" font-size="15" fill="{INK}">{escape(title)}</text>',
    ]
    for each in range(round(y_most / y_step) + 1):
        _, y = place(0, each * y_step)
        drawn.append(f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" stroke="{GRID}"/>')
        drawn.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end" fill="{INK}">{each * y_step:,.0f}</text>')
    for each in range(floor(x_most / x_step) + 1):
        x, y = place(each * x_step, 0)
        drawn.append(f'<text x="{x}" y="{y + 18}" text-anchor="middle" fill="{INK}">{each * x_step:g}</text>')
    drawn.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 12}" text-anchor="end" fill="{INK}">{escape(across)}</text>')
    drawn.append(f'<text x="{LEFT}" y="{TOP - 14}" text-anchor="end" fill="{INK}">{escape(up)}</text>')
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x:g},{y:g}" for x, y in (place(*point) for point in line.points))
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        across_x, down_y = LEFT + 24 + number % 2 * 380, 40 + number // 2 * 18
        drawn.append(f'<rect x="{across_x}" y="{down_y - 9}" width="12" height="4" fill="{colour}"/>')
        drawn.append(f'<text x="{across_x + 18}" y="{down_y}" fill="{INK}">{escape(line.name)}</text>')
    return "\n".join([*drawn, "</svg>"]) + "\n"


def _scale(most: float) -> tuple[float, float]:
    """Return a round step and a round end, with four to eight steps."""
    rough = max(most, 1.0) / 5
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    return step, step * max(1, ceil(most / step))
