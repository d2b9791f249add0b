"""Typesetting: a folder with a typst template and a mapping of data become a PDF. Data are never markup.

The data travel as JSON in `sys.inputs.data`; a template reads them with `json(bytes(sys.inputs.data))`, and what is in a
JSON string is text to typst, whatever it looks like. A template sees its own folder and nothing else.

The same data give the same bytes: the document is dated by its data, and fonts are the bundled ones. Only a letter that
these lack (Japanese, emoji) is looked for among the machine's fonts, and only a letter that no font has costs the
archival standard: the PDF is then a plain one, since PDF/A forbids a letter without a shape.
"""

import asyncio
import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal

import typst

from guilder.platform.words import printable

ARCHIVAL: Literal["a-3b"] = "a-3b"
DATA_BYTES_MAX = 8_000_000

_FONTS = Path(__file__).parent / "fonts"
# Only a letter that is not found moves on to the next.
_ATTEMPTS: tuple[tuple[bool, Literal["a-3b"] | None], ...] = ((False, ARCHIVAL), (True, ARCHIVAL), (True, None))
_ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)


class CannotTypeset(Exception):
    """A template refused its data: a mistake of ours, or a picture that is none."""


class Typesetter:
    """Compiles templates; one compiler a folder is kept, so an invoice takes milliseconds. Safe to share by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._compilers: dict[tuple[Path, bool], typst.Compiler] = {}

    async def compile(self, template: Path, data: Mapping[str, object], *, dated: datetime) -> bytes:
        """Set `template`/main.typ with `data` (what JSON can hold) into a PDF dated `dated`, off the event loop.

        :raises CannotTypeset: the template cannot be set with these data
        """
        return await asyncio.to_thread(self.compile_now, template, data, dated=dated)

    def compile_now(self, template: Path, data: Mapping[str, object], *, dated: datetime) -> bytes:
        """Do what `compile` does, here and now; for scripts and threads."""
        text = json.dumps(_printable(data), ensure_ascii=False, allow_nan=False)
        if len(text) > DATA_BYTES_MAX:
            raise CannotTypeset(f"{len(text)} letters of data; at most {DATA_BYTES_MAX} are set")
        for system_fonts, standard in _ATTEMPTS:
            try:
                return self._set(template, text, dated=dated, system_fonts=system_fonts, standard=standard)
            except typst.TypstError as error:
                # Only the archival standard may be given up, letter shapes being what it can lack.
                if not str(error.message).startswith("PDF/A"):
                    raise CannotTypeset(str(error.message)) from error
        raise CannotTypeset("a plain PDF was refused too")

    @lru_cache(maxsize=64)  # noqa: B019  (a process has one typesetter, and it lives as long)
    def can_print(self, text: str) -> bool:
        """Say whether the fonts of this machine have a shape for every letter: choose English for a reader otherwise."""
        return self._is_settable({"text": printable(text), "svg": ""})

    @lru_cache(maxsize=64)  # noqa: B019  (as above)
    def can_draw(self, svg: str) -> bool:
        """Say whether a drawing can be set at all: a document goes out without its logo rather than not."""
        return self._is_settable({"text": "", "svg": svg})

    def _is_settable(self, probe: Mapping[str, str]) -> bool:
        # Beside the fonts lies a template that prints nothing but its data; the standard refuses a missing shape.
        try:
            self._set(_FONTS, json.dumps(probe), dated=_ANY_DAY, system_fonts=True, standard=ARCHIVAL)
        except typst.TypstError:
            return False
        return True

    def _set(
        self, template: Path, text: str, *, dated: datetime, system_fonts: bool, standard: Literal["a-3b"] | None
    ) -> bytes:
        with self._lock:  # a compiler takes one caller at a time; typst itself uses the cores
            pdf = self._compiler(template, system_fonts=system_fonts).compile(
                format="pdf",
                sys_inputs={"data": text},
                timestamp=int(dated.timestamp()),
                pdf_standards=[standard] if standard else [],
            )
        assert isinstance(pdf, bytes)  # a PDF is one file; pictures would be one a page
        return pdf

    def _compiler(self, template: Path, *, system_fonts: bool) -> typst.Compiler:
        key = (template, system_fonts)
        if key not in self._compilers:
            fonts = typst.Fonts(include_system_fonts=system_fonts, font_paths=[_FONTS])
            self._compilers[key] = typst.Compiler(template / "main.typ", root=template, font_paths=fonts)
        return self._compilers[key]


def _printable(value: object) -> object:
    """Return the data without the characters that have no shape or that turn the ones after them."""
    match value:
        case str():
            return printable(value)
        case Mapping():
            return {key: _printable(each) for key, each in value.items()}
        case list() | tuple():
            return [_printable(each) for each in value]
        case _:
            return value
