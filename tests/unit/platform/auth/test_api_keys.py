"""An API key is long, random, and known by its looks."""

import hashlib

import pytest

from guilder.platform.auth.api_keys import KeyMode, mint, read


@pytest.mark.shows("fault G6", "ASVS 11.5.1")
@pytest.mark.parametrize("mode", KeyMode)
def test_a_minted_key_is_read_back_with_its_mode_and_hash(mode):
    key = mint(mode)
    assert key.text.startswith(f"gk_{mode}_")
    assert len(key.text) == len(f"gk_{mode}_") + 49
    assert read(key.text) == (mode, key.hash)
    assert key.hash == hashlib.sha256(key.text.encode()).digest()


@pytest.mark.shows("fault G6")
def test_the_hint_tells_hardly_anything():
    key = mint(KeyMode.LIVE)
    assert key.hint == f"gk_live_…{key.text[-4:]}"


@pytest.mark.shows("ASVS 11.5.1")
def test_no_two_keys_are_the_same():
    assert len({mint(KeyMode.TEST).text for _ in range(1_000)}) == 1_000


def test_every_single_typing_error_is_noticed():
    text = mint(KeyMode.LIVE).text
    for at in range(len("gk_live_"), len(text)):
        assert read(text[:at] + ("a" if text[at] != "a" else "b") + text[at + 1 :]) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("_live_", "_test_"),
        lambda text: text.upper(),
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text[:-1],
        lambda text: text.replace("gk_", "sk_"),
        lambda _: "",
    ],
)
def test_what_is_not_a_key_is_not_read(change):
    assert read(change(mint(KeyMode.LIVE).text)) is None
