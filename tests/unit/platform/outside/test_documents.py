"""What strangers send as JSON."""

import json

import pytest

from guilder.platform.outside.documents import document


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"a": "b"}', {"a": "b"}),
        (b'{"a": "\\ud83d\\ude00", "b": "\xf0\x9f\x98\x80"}', {"a": "\U0001f600", "b": "\U0001f600"}),
        (b'{"a": "x\\ud800y", "b": [{"c\\u0000": 1}]}', {"a": "x\ufffdy", "b": [{"c\ufffd": 1}]}),
        (b'{"a": "\\\\ud800"}', {"a": "\\ud800"}),
        (b'{"a": "\xed\xa0\x80"}', {"a": "\ufffd\ufffd\ufffd"}),
        (b"", None),
        (b"[]", None),
        (b"\x00", None),
        (b"[" * 200_000, None),
    ],
)
def test_nothing_is_left_that_cannot_be_written_down(body, found):
    assert document(body) == found
    if found is not None:
        json.dumps(found, ensure_ascii=False).encode()
