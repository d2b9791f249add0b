"""A logo is a small SVG that only draws: it ends up on invoices, in mails and in other people's browsers.

What is not on the lists below is refused, rather than removed: whoever gives a logo should see what is kept.
"""

import re
import xml.etree.ElementTree as ET

from guilder.kernel.errors import Invalid

BYTES_MAX = 65_536
ELEMENTS_MAX = 2_000

_TAGS = frozenset(
    {"svg", "g", "defs", "title", "desc", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text"}
    | {"tspan", "linearGradient", "radialGradient", "stop", "clipPath", "mask", "use", "symbol", "pattern"}
)
_LINKS = frozenset({"href", "{http://www.w3.org/1999/xlink}href"})
_SVG = "{http://www.w3.org/2000/svg}"
_DECLARATION = re.compile(r"\A\s*<\?xml\s[^<>?]*\?>")
# Whatever loads something, runs something, or hides either behind an escape.
_ACTIVE = re.compile(r"url\s*\(\s*(?!['\"]?#)|javascript:|data:|expression|@import|\\|&|<", re.IGNORECASE)


class BadLogo(Invalid):
    """The logo should be an SVG drawing of at most 64 KiB, without scripts, styles, links or pictures from elsewhere."""

    code = "bad_logo"


def checked_logo(svg: str) -> str:
    """Return the logo, if it only draws.

    :raises BadLogo: it is too large, no SVG, or does more than draw
    """
    if not svg:
        return svg
    if len(svg.encode()) > BYTES_MAX:
        raise _bad("is larger than 64 KiB")
    # Without a document type there are no entities, and so nothing that grows or that reads a file.
    if "<!" in svg.replace("<!--", "") or "<?" in _DECLARATION.sub("", svg):
        raise _bad("has a document type, a CDATA section or an instruction")
    try:
        root = ET.fromstring(svg)  # noqa: S314  (no document type, no entities; the size is bounded)
    except (ET.ParseError, ValueError, RecursionError) as error:
        raise _bad("is not XML") from error
    _check(root)
    return svg


def _check(root: ET.Element) -> None:
    if root.tag != f"{_SVG}svg":
        raise _bad("is not an SVG")
    for count, element in enumerate(root.iter(), start=1):
        if count > ELEMENTS_MAX:
            raise _bad("has too many elements")
        if element.tag.removeprefix(_SVG) not in _TAGS:
            raise _bad(f"has an element that is not taken: {element.tag.rpartition('}')[2][:40]}")
        for name, value in element.attrib.items():
            _check_attribute(name, value)


def _check_attribute(name: str, value: str) -> None:
    local = name.rpartition("}")[2].lower()
    if local.startswith("on") or local == "base":
        raise _bad(f"has an attribute that is not taken: {local[:40]}")
    if name in _LINKS and not value.startswith("#"):
        raise _bad("links to somewhere else")
    if _ACTIVE.search(value):
        raise _bad(f"has a value that is not taken, in {local[:40]}")


def _bad(why: str) -> BadLogo:
    return BadLogo(f"the logo {why}; it should be an SVG of at most 64 KiB that only draws", field="logo_svg")
