"""REDIS_URL says where Redis is, in three forms, and what cannot be read says why and nothing else."""

import pytest

from guilder.platform.cache.address import Address, BadAddress, Form, parse


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://localhost", Address(Form.SINGLE, (("localhost", 6379),))),
        ("redis://10.0.0.1:7000/3", Address(Form.SINGLE, (("10.0.0.1", 7000),), database=3)),
        (
            "rediss://u:p%40ss@r.example.com/0",
            Address(Form.SINGLE, (("r.example.com", 6379),), True, "", 0, "u", "p@ss"),
        ),
        ("redis://:pw@h?prefix=two", Address(Form.SINGLE, (("h", 6379),), password="pw", prefix="two")),
        ("redis://[::1]:1", Address(Form.SINGLE, (("::1", 1),))),
        (
            "redis+sentinel://:pw@a,b:27000/mymaster/2?sentinel=open",
            Address(
                Form.SENTINEL,
                (("a", 26379), ("b", 27000)),
                master="mymaster",
                database=2,
                password="pw",
                sentinels_ask=False,
            ),
        ),
        (
            "rediss+cluster://a:1,b?ca=/etc/ca.pem",
            Address(Form.CLUSTER, (("a", 1), ("b", 6379)), True, ca_file="/etc/ca.pem"),
        ),
    ],
)
def test_it_is_read(url: str, address: Address):
    assert parse(url) == address


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://secret@host", "should begin with"),
        ("redis://", "names no server"),
        ("redis://:secret@a,b", "several servers"),
        ("redis://:secret@a:port", "no port"),
        ("redis://:secret@a/name", "no number"),
        ("redis://:secret@a/1/2", "no number"),
        ("redis+sentinel://:secret@a", "name the master"),
        ("redis+cluster://:secret@a/1", "a cluster has one"),
        ("redis://:secret@a?timeout=1", "parameter"),
    ],
)
def test_what_cannot_be_read_says_why_and_no_secret(url: str, why: str):
    with pytest.raises(BadAddress, match=why) as refused:
        parse(url)
    assert "secret" not in str(refused.value)


def test_a_password_is_never_printed():
    assert "hidden" not in repr(parse("redis://:hidden@host"))


@pytest.mark.parametrize(
    ("url", "is_private"),
    [
        ("redis://localhost", True),
        ("redis://r.example.com", False),
        ("rediss://r.example.com", True),
        ("redis+cluster://127.0.0.1,r.example.com", False),
    ],
)
def test_plain_text_to_another_machine_is_known(url: str, is_private: bool):
    assert parse(url).is_private is is_private
