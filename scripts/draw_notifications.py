"""Draw every kind of notification as its reader sees it: docs/notifications/<kind>.png, and a page that shows them all.

Kinds that are named are drawn alone; `--check` says what is missing or stale without drawing. Needs Chromium.
"""

import asyncio
import shutil
import struct
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

from playwright.async_api import async_playwright

from guilder.domain.notifications.model import Group, Kind
from guilder.domain.notifications.rules.examples import data_for
from guilder.domain.notifications.rules.wishes import group_of
from guilder.domain.notifications.service import TEMPLATES
from guilder.platform.outside.templating import Brand, Rendered

FOLDER = Path(__file__).parents[1] / "docs" / "notifications"
WIDTH = 620
BYTES_MAX = 40_000
COLOURS_MAX = 256
BRAND = Brand(
    name="Northwind",
    colour="#1d4ed8",
    address="Damrak 1, 1012 LG Amsterdam, NL",
    support_email="billing@northwind.example",
)
# What may be said, but is not known in the usual case that the picture shows.
_LEFT_OUT = {
    "payment_failed": {"reason"},
    "payment_reminder": {"retry_on", "access_ends_on"},
    "payment_method_refused": {"method"},
    "refund_succeeded": {"reason"},
    "refund_refused": {"reason"},
}
_MORE = "https://billing.example.com/unsubscribe/example"


def rendered(kind: Kind) -> Rendered:
    """Write a kind with its example data, in English."""
    names = [name for name in TEMPLATES.names_of(kind.value) if name not in _LEFT_OUT.get(kind.value, set())]
    more = _MORE if group_of(kind) is not Group.REQUIRED else ""
    return TEMPLATES.render(kind.value, "en", data_for(names), brand=BRAND, more=more)


def index() -> str:
    """Write the page that shows them all."""
    lines = [
        "# What customers are told",
        "",
        "Every kind of message with its example data, in English, as `python scripts/draw_notifications.py` draws it.",
        "How they are sent, chosen and limited: [the design](../design/notifications.md).",
        "",
        "| kind | subject | can be switched off | SMS |",
        "|---|---|---|---|",
    ]
    for kind in Kind:
        mail, group = rendered(kind), group_of(kind)
        choice = "" if group is Group.REQUIRED else group.value.replace("_", " ")
        lines.append(f"| [`{kind.value}`](#{kind.value}) | {mail.subject} | {choice} | {'yes' if mail.sms else ''} |")
    for kind in Kind:
        mail = rendered(kind)
        lines += ["", f"## {kind.value}", ""]
        if mail.sms:
            lines += [f"> {mail.sms}", ""]
        lines.append(f"![{mail.subject}]({kind.value}.png)")
    return "\n".join(lines) + "\n"


def stale() -> list[str]:
    """Return what is missing, left over or no longer true."""
    wanted = {f"{kind.value}.png" for kind in Kind}
    there = {path.name for path in FOLDER.glob("*.png")}
    page = FOLDER / "README.md"
    said = [f"missing: {name}" for name in sorted(wanted - there)]
    said += [f"left over: {name}" for name in sorted(there - wanted)]
    said += [f"too large: {path.name}" for path in sorted(FOLDER.glob("*.png")) if path.stat().st_size > BYTES_MAX]
    return said if page.is_file() and page.read_text() == index() else [*said, "stale: README.md"]


async def draw(kinds: Sequence[Kind]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in FOLDER.glob("*.png"):
        if path.stem not in set(Kind):
            path.unlink()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": WIDTH, "height": 200})
        for kind in kinds:
            await page.set_content(rendered(kind).html)
            (FOLDER / f"{kind.value}.png").write_bytes(fewer_colours(await page.screenshot(full_page=True)))
        await browser.close()
    (FOLDER / "README.md").write_text(index())


def fewer_colours(png: bytes) -> bytes:
    """Write a picture of flat colours with a palette: a third of its size. One with too many colours stays as it is."""
    width, height, channels, rows = _pixels(png)
    colours: dict[bytes, int] = {}
    lines = []
    for row in rows:
        pixels = [bytes(byte & 0xF8 | 0x07 for byte in row[at : at + 3]) for at in range(0, width * channels, channels)]
        for pixel in pixels:
            colours.setdefault(pixel, len(colours))
        lines.append([colours[pixel] for pixel in pixels])
    if len(colours) > COLOURS_MAX:
        return png
    raw = b"".join(b"\0" + bytes(line) for line in lines)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = [(b"IHDR", head), (b"PLTE", b"".join(colours)), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _pixels(png: bytes) -> tuple[int, int, int, list[bytearray]]:
    """Read a PNG of eight bits a channel, as browsers write it: width, height, bytes a pixel, and the lines."""
    at, data, head = 8, b"", b""
    while at < len(png):
        (length,), name = struct.unpack(">I", png[at : at + 4]), png[at + 4 : at + 8]
        body = png[at + 8 : at + 8 + length]
        head, data = (body, data) if name == b"IHDR" else (head, data + body if name == b"IDAT" else data)
        at += length + 12
    width, height, depth, kind = struct.unpack(">IIBB", head[:10])
    assert (depth, kind in {2, 6}) == (8, True), "eight bits, in colour"
    channels = 4 if kind == 6 else 3
    raw, rows = zlib.decompress(data), []
    before = bytearray(width * channels)
    for line in range(height):
        start = line * (width * channels + 1)
        before = _unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + width * channels]), before, channels)
        rows.append(before)
    return width, height, channels, rows


def _unfiltered(how: int, line: bytearray, above: bytearray, step: int) -> bytearray:
    for at, byte in enumerate(line):
        left = line[at - step] if at >= step else 0
        corner = above[at - step] if at >= step else 0
        guess = (0, left, above[at], (left + above[at]) // 2, _paeth(left, above[at], corner))[how]
        line[at] = (byte + guess) & 0xFF
    return line


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]


def main() -> int:
    if "--check" in sys.argv:
        print("\n".join(stale()))
        return 1 if stale() else 0
    asyncio.run(draw([kind for kind in Kind if kind.value in sys.argv] or list(Kind)))
    print("\n".join(stale()))
    return 1 if stale() else 0


if __name__ == "__main__":
    sys.exit(main())
