import hashlib
import hmac
from uuid import UUID, uuid4

import pytest

from guilder.domain.notifications.model import Channel, Group, Kind, Preferences
from guilder.domain.notifications.rules import links, reports, signatures, wishes
from guilder.kernel.ids import CustomerId, TenantId

# The example of Twilio's own page and libraries.
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
FORM = {
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+14158675309",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
}
SIGNED = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
LINK = links.Unsubscribing(TenantId(uuid4()), CustomerId(uuid4()), Group.RENEWAL_NOTICES)


def sign(text):
    return [hmac.digest(b"new", text.encode(), "sha256"), hmac.digest(b"old", text.encode(), "sha256")]


def test_twilios_example_is_signed_as_twilio_signs_it():
    assert signatures.of_twilio(URL, FORM, "12345") == SIGNED
    assert signatures.is_twilio(SIGNED, URL, FORM, "12345")


@pytest.mark.parametrize(
    ("given", "url", "form", "token"),
    [
        (SIGNED, URL, FORM, "12346"),
        (SIGNED, URL + "0", FORM, "12345"),
        (SIGNED, URL, {**FORM, "Digits": "1235"}, "12345"),
        (SIGNED, URL, {**FORM, "More": ""}, "12345"),
        ("", URL, FORM, "12345"),
        ("é", URL, FORM, "12345"),
    ],
)
def test_what_twilio_did_not_sign_is_refused(given, url, form, token):
    assert not signatures.is_twilio(given, url, form, token)


def test_a_mail_report_is_signed_over_its_body():
    signed = "sha256=" + hmac.new(b"whsec_1", b"{}", hashlib.sha256).hexdigest()
    assert signatures.is_mail(signed, b"{}", "whsec_1")
    for given, body, secret in ((signed, b"{ }", "whsec_1"), (signed, b"{}", "whsec_2"), ("sha256=", b"{}", "whsec_1")):
        assert not signatures.is_mail(given, body, secret)


def test_a_link_says_what_was_written_whichever_key_of_ours_signed_it():
    assert links.read(links.write(LINK, sign), sign) == LINK
    old = links.write(LINK, lambda text: sign(text)[1:])
    assert links.read(old, sign) == LINK


@pytest.mark.parametrize("group", wishes.OPTIONAL)
def test_every_optional_group_has_a_link(group):
    link = links.Unsubscribing(LINK.tenant_id, LINK.customer_id, group)
    assert links.read(links.write(link, sign), sign).group is group


def test_a_link_that_was_touched_leads_nowhere():
    token = links.write(LINK, sign)
    others = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(len(token))]
    for bad in [*others, "", token + "A", token[:-1], token + "=", "é", "A" * 101]:
        with pytest.raises(links.BadUnsubscribeLink):
            links.read(bad, sign)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<019ca945-0a00-7144-8000-000000000001@guilder.example>", UUID("019ca945-0a00-7144-8000-000000000001")),
        ("019CA945-0A00-7144-8000-000000000001@x", UUID("019ca945-0a00-7144-8000-000000000001")),
        ("<abc@guilder.example>", None),
        ("", None),
    ],
)
def test_our_message_ids_name_a_message(text, found):
    assert reports.notification_of(text) == found


def test_reasons_name_no_address_and_keep_to_one_line():
    assert reports.printable_reason("550 <ada@x.example>:\n gone") == "550 … gone"
    assert len(reports.printable_reason("x" * 999)) == reports.REASON_MAX


def test_only_what_is_named_can_be_switched_off():
    nothing = Preferences(
        tenant_id=LINK.tenant_id,
        customer_id=LINK.customer_id,
        wants_reminders=False,
        wants_renewal_notices=False,
        wants_usage_alerts=False,
        wants_sms=False,
    )
    silent = {kind for kind in Kind if wishes.why_unwanted(kind, Channel.EMAIL, nothing)}
    assert silent == {Kind.INVOICE_DUE_SOON, Kind.CARD_EXPIRING, Kind.UPCOMING_RENEWAL, Kind.USAGE_ALERT}
    assert all(wishes.why_unwanted(kind, Channel.SMS, nothing) for kind in Kind)
    assert not any(wishes.why_unwanted(kind, Channel.EMAIL, None) for kind in Kind)
