"""A signature …"""

import json
import shutil
import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from guilder.domain.webhooks.rules import signing

SECRET = signing.secret_of(bytes(range(32)))
# In a second language, by what the specification says and by nothing of ours: HMAC-SHA256 over id.timestamp.body.
_NODE = """
const crypto = require('crypto');
let text = '';
process.stdin.on('data', (piece) => text += piece).on('end', () => {
  const {secret, headers, body} = JSON.parse(text);
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const said = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  const mine = 'v1,' + crypto.createHmac('sha256', key).update(said, 'utf8').digest('base64');
  process.stdout.write(String(headers['webhook-signature'].split(' ').includes(mine)));
});
"""


@pytest.mark.shows("SW signature")
def test_is_the_specifications_own_example():
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    headers = signing.headers([secret], message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330, body=body)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_of_the_newest_secret_comes_first():
    other = signing.secret_of(bytes(32))
    headers = signing.headers([SECRET, other], message_id="msg_1", timestamp=1, body=b"{}")
    alone = signing.headers([SECRET], message_id="msg_1", timestamp=1, body=b"{}")
    assert headers["webhook-signature"].split()[0] == alone["webhook-signature"]
    assert len(set(headers["webhook-signature"].split())) == 2


@pytest.mark.shows("SW secret", "ASVS 11.5.1")
def test_secret_is_32_bytes_behind_its_prefix():
    assert SECRET == "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.mark.shows("SW reference")
@given(st.binary(min_size=32, max_size=32), st.text(max_size=200))
def test_verifies_with_the_reference_library(raw, text):
    body = json.dumps({"text": text}, ensure_ascii=False).encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    secret, at = signing.secret_of(raw), int(time.time())
    headers = signing.headers([secret], message_id="msg_x", timestamp=at, body=body.encode())
    assert Webhook(secret).verify(body, headers) == json.loads(body)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(secret).verify(body + " ", headers)


@pytest.mark.shows("SW reference")
@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")
def test_verifies_in_a_second_language():
    body = json.dumps({"name": "Zoë €"}, ensure_ascii=False)
    headers = signing.headers([SECRET], message_id="msg_x", timestamp=1614265330, body=body.encode())
    for said, is_good in ((body, "true"), (body + " ", "false")):
        told = json.dumps({"secret": SECRET, "headers": headers, "body": said})
        run = subprocess.run(["node", "-e", _NODE], input=told, capture_output=True, text=True, check=True)
        assert run.stdout == is_good
