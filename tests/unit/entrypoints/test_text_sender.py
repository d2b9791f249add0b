"""Who texts come from, as SMS_URL says it."""

import pytest
from pydantic import SecretStr

from guilder.platform.config import Settings
from guilder.wiring.ports import text_sender

SERVICE = "MG0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("host", "sender"),
    [("+15550100", "+15550100"), ("Example", "Example"), ("My%20Shop", "My Shop"), (SERVICE, SERVICE)],
)
def test_texts_come_from_whom_the_setting_names_letter_by_letter(host, sender):
    assert text_sender(Settings(sms_url=SecretStr(f"twilio://AC1:secret@{host}"))) == sender


def test_without_a_setting_they_come_from_nobody():
    assert text_sender(Settings()) == ""
