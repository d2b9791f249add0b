"""What a body must be to be read quickly: nothing that the parser of the edge would refuse, found out in a few looks.

`parsing` looks at every value by itself, in Python, because it must say what is wrong and where. These look at the whole
body at once and only ever say "perhaps not": then the body is parsed as any other is. A body without a backslash holds no
NUL and no half of a character, and as many quotes as its strings have; a key given twice is then one string too many.
"""

from guilder.platform.cards import DIGITS_MIN, looks_like_card

_BACKSLASH, _QUOTE = b"\\", b'"'
_DIGITS = b"0" * DIGITS_MIN
# Digits are told from the rest, and what may stand between a card's groups is left out: few texts have as many in a row.
_MASK = bytes(
    ord("0") if chr(each).isdecimal() else each if each in _QUOTE else ord("x") for each in range(128)
) + bytes(ord("x") for _ in range(128))
_BETWEEN = b"\t\n\r -._/"


def is_plain(body: bytes, *, strings: int) -> bool:
    """Say whether nothing in a body that decodes to this many strings (keys and values) is refused by the edge's parser.

    `body` is UTF-8: whatever decoded it saw to that.
    """
    if _BACKSLASH in body or body.count(_QUOTE) != 2 * strings:
        return False
    return not _has_card(body)


def _has_card(body: bytes) -> bool:
    # Between two quotes stands a string, or what stands between two strings: a card number lies within one of them.
    text = body.decode()
    if not body.isascii():
        return any(looks_like_card(each) for each in text.split('"'))
    mask = body.translate(_MASK, _BETWEEN)
    at = mask.find(_DIGITS)
    parts = text.split('"') if at >= 0 else []
    part, counted = 0, 0
    while at >= 0:
        part, counted = part + mask.count(_QUOTE, counted, at), at
        if looks_like_card(parts[part]):
            return True
        ends = mask.find(_QUOTE, at)
        at = mask.find(_DIGITS, ends) if ends >= 0 else -1
    return False
