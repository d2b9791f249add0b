"""SMTP_URL at a start: read, or refused by a sentence that names it and not what it holds."""

import re

import pytest

from guilder.platform.config import BadSettings, Settings
from guilder.wiring.ports import mail_server


def test_it_is_the_server_that_is_named():
    assert mail_server(Settings(smtp_url="smtps://mail.example.com")).host == "mail.example.com"
    assert mail_server(Settings()) is None


@pytest.mark.parametrize("url", ["foo", "http://u:s3cret@mail.example.com", "smtp://u:s3cret@mail.example.com:x"])
def test_an_address_that_is_none_is_refused_and_named(url):
    with pytest.raises(BadSettings, match=re.escape("SMTP_URL: ")) as refused:
        mail_server(Settings(smtp_url=url))
    assert "s3cret" not in str(refused.value)
