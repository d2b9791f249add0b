import re
from html.parser import HTMLParser
from itertools import product

import pytest

from guilder.platform.outside.sms import segments
from guilder.platform.outside.templating import (
    SMS_LENGTH_MAX,
    SUBJECT_LENGTH_MAX,
    Brand,
    CannotRender,
    OwnText,
    Templates,
)
from guilder.platform.words import LANGUAGES

TEMPLATES = Templates("guilder.domain.notifications")
BRAND = Brand("Northwind", "#1d4ed8", "https://cdn.example/logo.png", "Berlin", "billing@northwind.example")
LINKS = ("invoice_url", "update_url", "action_url", "portal_url")
FIELDS = [
    "customer_name",
    "amount",
    "paid_on",
    "method",
    "plan_name",
    "invoice_number",
    "retry_on",
    "reason",
    "access_ends_on",
    "data_kept_until",
    "period_ends_on",
    "price",
    "trial_ends_on",
    "expires_on",
    "due_on",
    "total",
    "note_number",
    "taken_off",
    "credited",
    "meter_name",
    "quantity",
    "threshold",
    "since",
    "paused_on",
    "resumes_on",
    "new_plan_name",
    "new_quantity",
    "new_price",
    "changes_on",
    "attached",
    "card_expires_on",
    "renews_on",
    "respond_by",
]
DATA = {name: f"[{name}]" for name in FIELDS} | {name: f"https://pay.example/{name}?a=1&b=2" for name in LINKS}

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)",
    "{{7*7}}{% for x in y %}{{ ''.__class__.__mro__ }}",
    "Ada\r\nBcc: eve@example.com",
    "\u202e001 pay\u2028x\x00\x1b[31m",
    "</style><base href=//evil.example>",
    "'; DROP TABLE customers; -- %_\\",
]
EVERY = list(product(TEMPLATES.kinds, TEMPLATES.languages))


class Outline(HTMLParser):
    """Which elements and attributes a page has: hostile text may add none."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, tuple(name for name, _ in attrs)))


@pytest.mark.parametrize(("kind", "language"), EVERY)
def test_every_kind_is_said_in_every_language_with_all_parts(kind, language):
    mail = TEMPLATES.render(kind, language, DATA, brand=BRAND)
    assert mail.subject
    assert f'lang="{language}"' in mail.html
    assert "[customer_name]" in mail.html
    assert "[customer_name]" in mail.text
    assert mail.sms is None or mail.sms.startswith("Northwind: ")
    for part in (mail.subject, mail.html, mail.text, mail.sms or ""):
        assert not re.search(r"{{|{%|}}|%}", part)


@pytest.mark.parametrize(("kind", "language"), EVERY)
def test_what_may_be_left_out_leaves_no_gap(kind, language):
    needed = {name: DATA[name] for name in TEMPLATES._kinds[kind]["needs"]}
    mail = TEMPLATES.render(kind, language, needed, brand=Brand("Northwind"))
    # In French a space before some marks is right; it does not break, but for a text message, where that would cost.
    french = r" [:;!?]" if language == "fr" else "$^"
    assert not re.search(r" [.,:!]|  |None|\n\n\n|,\n\n--", mail.text + mail.subject)
    assert not re.search(r" [.,:!]|  |None", re.sub(french, "!", mail.sms or ""))
    assert 'href=""' not in mail.html
    assert 'src=""' not in mail.html


def test_mails_are_in_every_language_that_documents_are_in():
    assert set(TEMPLATES.languages) == set(LANGUAGES)


@pytest.mark.parametrize("kind", TEMPLATES.kinds)
def test_every_language_has_the_same_parts_of_a_kind(kind):
    english = TEMPLATES._words["en"][kind]
    for language in TEMPLATES.languages:
        words = TEMPLATES._words[language][kind]
        assert words.keys() == english.keys()
        assert len(words["paragraphs"]) == len(english["paragraphs"])
        assert _named(words) == _named(english), language
        shape = TEMPLATES._kinds[kind]
        assert _named(words) <= {"brand_name", *shape["needs"], *shape.get("may_have", [])}


def _named(words):
    """Return the data that words say, or choose by."""
    said = " ".join(_lines(words))
    chosen = " ".join(re.findall(r"{% (?:el)?if (.*?) %}", said))
    return {*re.findall(r"{{ (\w+) }}", said), *re.findall(r"\w+", chosen)} - {"and", "or", "not"}


def _lines(words):
    return [*words["paragraphs"], *(each for each in words.values() if isinstance(each, str))]


@pytest.mark.shows("ASVS 1.2.1", "ASVS 1.3.3", "ASVS 1.3.7", "fault F7")
@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("kind", TEMPLATES.kinds)
def test_hostile_data_add_no_element_no_header_and_no_sum(kind, hostile):
    data = DATA | dict.fromkeys(FIELDS, hostile)
    plain = TEMPLATES.render(kind, "en", DATA, brand=BRAND)
    mail = TEMPLATES.render(kind, "en", data, brand=Brand(hostile, hostile, hostile, hostile, hostile))
    plain_brand = TEMPLATES.render(kind, "en", DATA, brand=Brand("N", "", "", "Berlin", "a@b.example"))
    assert Outline(mail.html).found == Outline(plain_brand.html).found
    assert Outline(TEMPLATES.render(kind, "en", data, brand=BRAND).html).found == Outline(plain.html).found
    for line in (mail.subject, mail.sms or ""):
        assert not re.search(r"[\x00-\x1f\u202e\u2028]", line)
    assert "49" not in mail.subject + mail.text
    assert "\u202e" not in mail.html


@pytest.mark.shows("ASVS 1.3.7", "fault F7")
def test_a_name_that_looks_like_a_template_is_printed():
    mail = TEMPLATES.render("refund_succeeded", "en", DATA | {"customer_name": "{{7*7}} <b>Ada</b>"}, brand=BRAND)
    assert "Hello {{7*7}} <b>Ada</b>," in mail.text
    assert "Hello {{7*7}} &lt;b&gt;Ada&lt;/b&gt;," in mail.html


@pytest.mark.shows("ASVS 1.3.3", "ASVS 3.7.2")
@pytest.mark.parametrize("link", ["javascript:alert(1)", "data:text/html,x", "https://x.example/ y", "//evil.example"])
def test_a_link_that_is_none_is_refused(link):
    with pytest.raises(CannotRender, match="update_url"):
        TEMPLATES.render("payment_failed", "en", DATA | {"update_url": link}, brand=BRAND)


@pytest.mark.parametrize("language", TEMPLATES.languages)
def test_before_the_end_of_a_trial_a_method_is_asked_for_only_where_there_is_none(language):
    needed = {name: DATA[name] for name in TEMPLATES._kinds["trial_ending"]["needs"]}

    def said(**more):
        return TEMPLATES.render("trial_ending", language, needed | more, brand=BRAND).text

    asked = TEMPLATES._say(
        TEMPLATES._words[language]["trial_ending"]["paragraphs"][2], dict.fromkeys(DATA | {"invoiced": ""}, "")
    )
    price, method = {"price": DATA["price"]}, {"method": DATA["method"]}
    assert asked in said()
    assert asked in said(**price)
    assert not any(asked in said(**each) for each in (method, price | method, {"invoiced": "yes"}))


def test_a_missing_datum_is_named():
    with pytest.raises(CannotRender, match=r"missing: amount, update_url"):
        TEMPLATES.render("payment_failed", "en", {"customer_name": "Ada"}, brand=BRAND)


def test_a_text_message_holds_no_space_that_would_make_it_cost_twice():
    mail = TEMPLATES.render("payment_succeeded", "de", DATA | {"amount": "1\u202f234,50\u00a0€"}, brand=BRAND)
    assert "1 234,50 €" in mail.sms
    assert segments(mail.sms) == 1
    assert "1\u202f234,50\u00a0€" in mail.subject


def test_subject_and_sms_have_a_limit():
    mail = TEMPLATES.render("payment_failed", "en", DATA | {"amount": "9" * 1000}, brand=BRAND)
    assert len(mail.subject) == SUBJECT_LENGTH_MAX
    assert mail.sms is not None
    assert len(mail.sms) == SMS_LENGTH_MAX


def test_an_unknown_language_is_answered_in_english_and_a_region_in_its_language():
    assert TEMPLATES.render("apology", "sv", DATA, brand=BRAND).subject.startswith("We are sorry")
    assert TEMPLATES.render("apology", "de-CH", DATA, brand=BRAND).subject.startswith("Es tut uns leid")


def test_the_brand_shows_and_its_styles_are_inline():
    mail = TEMPLATES.render("apology", "en", DATA, brand=BRAND)
    assert 'src="https://cdn.example/logo.png"' in mail.html
    assert re.search(r'<a class="button"[^>]*style="[^"]*background: #1d4ed8', mail.html)
    assert re.search(r'<td class="card"[^>]*style="[^"]*padding', mail.html)


def test_own_words_that_no_longer_hold_give_way_to_ours():
    own = OwnText("{{ gone }}", "x")
    mail = TEMPLATES.render("refund_succeeded", "en", DATA, brand=BRAND, own=own)
    assert mail.subject == "Northwind refunded [amount]"
    assert "Hello [customer_name]," in mail.text


@pytest.mark.shows("ASVS 1.3.5", "ASVS 1.2.1")
@pytest.mark.parametrize("hostile", HOSTILE)
def test_own_words_are_text_and_so_is_what_they_name(hostile):
    plain = TEMPLATES.render("refund_succeeded", "en", DATA, brand=BRAND, own=OwnText("a", "b\n\nc"))
    words = f"{{{{ customer_name }}}} {hostile.replace('{', '').replace('%', '')}\n\nc"
    data = DATA | {"customer_name": hostile}
    mail = TEMPLATES.render("refund_succeeded", "en", data, brand=BRAND, own=OwnText("{{ customer_name }}", words))
    assert Outline(mail.html).found == Outline(plain.html).found
    assert not re.search(r"[\x00-\x1f\u202e\u2028]", mail.subject)
    assert "49" not in mail.subject + mail.text


def test_a_link_that_ends_mails_is_shown_only_where_there_is_one():
    url = "https://billing.example.com/unsubscribe/x"
    assert url in TEMPLATES.render("usage_alert", "de", DATA, brand=BRAND, more=url).html
    assert "keine E-Mails dieser Art" not in TEMPLATES.render("usage_alert", "de", DATA, brand=BRAND).html
    assert "javascript" not in TEMPLATES.render("usage_alert", "de", DATA, brand=BRAND, more="javascript:x").html


@pytest.mark.parametrize(
    ("kind", "never"),
    [
        ("payment_reminder", "tried again"),  # reminders go on after the last try
        ("subscription_cancelled", "more will be charged"),  # what is used until the end is billed after it
        ("subscription_cancelled", "one click"),  # there may be nothing to click
    ],
)
def test_nothing_is_said_that_need_not_be_so(kind, never):
    for data in (DATA, {name: DATA[name] for name in TEMPLATES._kinds[kind]["needs"]}):
        mail = TEMPLATES.render(kind, "en", data, brand=BRAND)
        assert never not in mail.text + mail.html
