"""What was sealed opens with its key, as what it was, and no other way."""

import base64
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.platform.crypto import (
    Key,
    KeyRing,
    Tampered,
    UnknownKey,
    about,
    digest,
    new_key,
    new_secret,
    open_,
    same,
    seal,
)

OLD, NEW = new_key("old"), new_key("new")
ABOUT = about("tenant-a", "customers.customers.email", "row-1")


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_what_was_sealed_opens(plaintext, bound):
    ring = KeyRing([NEW])
    assert open_(ring, seal(ring, plaintext, about=bound), about=bound) == plaintext


@pytest.mark.shows("ASVS 11.3.3")
def test_any_flipped_bit_is_noticed():
    sealed = seal(NEW, b"a@b.test", about=ABOUT)
    for bit in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises((Tampered, UnknownKey)):
            open_(KeyRing([NEW]), bytes(changed), about=ABOUT)


@pytest.mark.shows("ASVS 11.3.3")
def test_any_cut_is_noticed():
    sealed = seal(NEW, b"a@b.test", about=ABOUT)
    for length in range(len(sealed)):
        with pytest.raises((Tampered, UnknownKey)):
            open_(KeyRing([NEW]), sealed[:length], about=ABOUT)


@pytest.mark.shows("ASVS 11.3.3")
@pytest.mark.parametrize(
    "elsewhere",
    [
        about("tenant-b", "customers.customers.email", "row-1"),
        about("tenant-a", "customers.customers.name", "row-1"),
        about("tenant-a", "customers.customers.email", "row-2"),
        about("tenant-ac", "ustomers.customers.email", "row-1"),
        b"",
    ],
    ids=["other tenant", "other column", "other row", "shifted", "nothing"],
)
def test_a_ciphertext_moved_elsewhere_does_not_open(elsewhere):
    with pytest.raises(Tampered):
        open_(NEW, seal(NEW, b"x", about=ABOUT), about=elsewhere)


@pytest.mark.shows("ASVS 13.3.4")
def test_a_ring_seals_with_its_first_key_and_opens_with_any():
    rotated = KeyRing([NEW, OLD])
    before = seal(KeyRing([OLD]), b"x", about=ABOUT)
    assert open_(rotated, before, about=ABOUT) == b"x"
    after = seal(rotated, b"x", about=ABOUT)
    assert open_(KeyRing([NEW]), after, about=ABOUT) == b"x"
    with pytest.raises(UnknownKey):
        open_(KeyRing([OLD]), after, about=ABOUT)


@pytest.mark.shows("ASVS 11.3.2")
def test_the_same_text_is_never_sealed_to_the_same_bytes():
    assert len({seal(NEW, b"x", about=ABOUT) for _ in range(100)}) == 100


def test_a_ring_is_read_from_text():
    one, two = (base64.b64encode(bytes([n] * 32)).decode() for n in (1, 2))
    ring = KeyRing.parse(f"b:{two}, a:{one}")
    assert (ring.current.id, ring.current.secret) == ("b", bytes([2] * 32))
    assert ring.find("a").secret == bytes([1] * 32)
    assert KeyRing.parse(one).current.id == KeyRing.parse(one).current.id
    assert KeyRing.parse(one).current.id != KeyRing.parse(two).current.id


@pytest.mark.shows("I29", "ASVS 16.2.5")
def test_a_key_never_prints_itself():
    assert repr(Key("id", b"s" * 32)) == "Key(id='id')"


@pytest.mark.shows("ASVS 13.3.1")
def test_the_key_of_a_folder_is_made_once_and_for_its_owner_only(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        rings = list(pool.map(lambda _: KeyRing.in_folder(tmp_path / "data"), range(32)))
    assert len({ring.current.secret for ring in rings}) == 1
    (file,) = (tmp_path / "data").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_blind_hash_finds_a_text_again_under_every_key_of_the_ring():
    before = KeyRing([OLD]).blind("a@b.test", about="customers.email")
    rotated = KeyRing([NEW, OLD])
    assert before in rotated.blinds("a@b.test", about="customers.email")
    assert rotated.blind("a@b.test", about="customers.email") != before
    assert before not in rotated.blinds("a@b.test", about="members.email")
    assert before not in rotated.blinds("c@d.test", about="customers.email")


@pytest.mark.shows("ASVS 11.5.1")
def test_secrets_are_long_and_compared_by_value():
    assert len(base64.urlsafe_b64decode(new_secret() + "=")) == 32
    assert same("é", "é".encode())
    assert not same("a", "b")
    assert digest("a") == digest(b"a")
