"""Which passwords are taken: long ones, and none that everybody tries first.

Length is what counts; there are no rules about kinds of characters (NIST SP 800-63B-4, ASVS 5.0 6.2). The commonest
passwords are short and refused by their length; of those long enough, what is left of a list is refused by name.
"""

import unicodedata

from guilder.kernel.errors import Invalid

LENGTH_MIN = 12
LENGTH_MAX = 128
_KINDS_MIN = 5
# Of twelve characters and more, what appears over and over in lists of passwords that leaked; compared without case.
_COMMON_TEXT = """
    000000000000 111111111111 121212121212 123123123123 123456123456 123456789012 1234567890123 12345678901234
    123456789101 1234567891011 12345678910 987654321012 0987654321098 1q2w3e4r5t6y 1q2w3e4r5t6y7u 1qaz2wsx3edc
    1qaz2wsx3edc4rfv zaq12wsxcde3 qwertyuiop12 qwertyuiop123 qwertyuiop1234 qwertyuiop[] qwertyqwerty qwerty123456
    qwertyuiopasdf qwertyuiopas asdfghjkl123 asdfghjkl1234 asdfasdfasdf zxcvbnm12345 abcdefghijkl abcdefghijklm
    abcd1234abcd abc123abc123 password1234 password12345 password123456 password1234567 passwordpassword
    password2024 password2025 password2026 passw0rd1234 p@ssw0rd1234 p@ssword1234 passwort1234 administrator
    administrator1 adminadminadmin admin1234567 admin12345678 admin123admin letmeinletmein letmein12345 welcome12345
    welcome123456 iloveyou1234 iloveyou12345 iloveyouiloveyou changeme1234 changemechangeme changeme12345
    sunshine1234 football1234 baseball1234 princess1234 superman1234 starwars1234 trustno1trustno1 monkeymonkey
    dragondragon masterpassword mypassword123 newpassword1 newpassword12 newpassword123 secretsecret secretpassword
    testtesttest testpassword testpassword1 guestguest12 rootrootroot rootpassword defaultpassword
    correcthorsebatterystaple thisisapassword
"""
_COMMON = frozenset(_COMMON_TEXT.split())


class BadPassword(Invalid):
    """A password has 12 to 128 characters, and is none that everybody tries first."""

    code = "bad_password"


def normal(password: str) -> str:
    """Return the one way in which a password is compared, however a keyboard wrote it (NFKC)."""
    return unicodedata.normalize("NFKC", password)


def checked_password(password: str, *, email: str) -> str:
    """Return a new password, normal.

    :raises BadPassword: it is too short or long, or among the first that anybody would try
    """
    said = normal(password)
    if not LENGTH_MIN <= len(said) <= LENGTH_MAX or len(password) > LENGTH_MAX:
        raise BadPassword(f"should be of {LENGTH_MIN} to {LENGTH_MAX} characters", field="password")
    plain = said.casefold()
    is_common = plain in _COMMON or len(set(plain)) < _KINDS_MIN or _is_repeated(plain)
    if is_common or _names(plain, email.casefold()):
        raise BadPassword("this is among the first that anybody would try", field="password")
    return said


def _is_repeated(text: str) -> bool:
    """Tell whether it is one short piece over and over: found in itself twice, it is."""
    at = (text + text).find(text, 1)
    return at < len(text) and at <= 4


def _names(password: str, email: str) -> bool:
    """Tell whether it is the address, or what stands before its @, with no more than three letters around it."""
    local = email.partition("@")[0]
    told = [each for each in (email, local, "guilder") if len(each) >= 4]
    return any(each in password and len(password) - len(each) * password.count(each) <= 3 for each in told)
