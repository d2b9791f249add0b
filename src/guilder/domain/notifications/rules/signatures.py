"""Who may report that a message did not arrive: whoever has the secret of the address that it reports to."""

import base64
import hashlib
import hmac
from collections.abc import Mapping


def of_mail(body: bytes, secret: str) -> str:
    """Return what the header Guilder-Signature has to say: HMAC-SHA256 of the body, in hexadecimal digits."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def is_mail(given: str, body: bytes, secret: str) -> bool:
    return hmac.compare_digest(given.encode(), of_mail(body, secret).encode())


def of_twilio(url: str, form: Mapping[str, str], auth_token: str) -> str:
    """Return what X-Twilio-Signature has to say: HMAC-SHA1 of the address and of the form's fields in order, as Twilio
    documents it under "Webhooks security"."""
    said = url + "".join(f"{name}{form[name]}" for name in sorted(form))
    return base64.b64encode(hmac.new(auth_token.encode(), said.encode(), hashlib.sha1).digest()).decode()


def is_twilio(given: str, url: str, form: Mapping[str, str], auth_token: str) -> bool:
    return hmac.compare_digest(given.encode(), of_twilio(url, form, auth_token).encode())
