"""The payment page: what it shows, what it lets through, and what it never does."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest

from guilder.domain.catalog import service as catalog
from guilder.domain.identity import service as identity
from guilder.domain.orders import service as orders
from tests.support.builders.orders import says_never, says_yes


async def an_order(front, **over):
    customer = await front.shop.customer(**over)
    answer = await front.shop.subscribe(customer, await front.shop.plan(name="Pro <b>&"))
    return answer, answer.payment_link.removeprefix("https://billing.example.com")


async def get(front, path):
    return await front.served.client.get(path)


async def pressed(front, path):
    """Press the button."""
    return await front.served.client.post(f"{path}/pay", headers={"content-type": "application/x-www-form-urlencoded"})


async def test_shows_who_sells_what_for_how_much(front):
    answer, path = await an_order(front)
    page = await get(front, path)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert await front.shop.number(answer) in page.text
    assert "€30.00" in page.text
    assert answer.invoice.seller.name in page.text
    assert f'action="{path}/pay"' in page.text


@pytest.mark.parametrize(("quantity", "times"), [(1, None), (7, "7 × €30.00")])
async def test_several_are_told_with_the_price_of_one(front, quantity, times):
    customer = await front.shop.customer()
    answer = await front.shop.subscribe(customer, await front.shop.plan(), quantity=quantity)
    page = await get(front, answer.payment_link.removeprefix("https://billing.example.com"))
    assert f"€{30 * quantity}.00" in page.text
    assert (f"<small>{times}</small>" in page.text) if times else (" × " not in page.text)


@pytest.mark.parametrize(
    ("comes", "said"),
    [
        ("done=1", "Thank you!"),
        ("", "Nothing was saved"),
        # As Stripe leads back whoever has been at their bank.
        ("setup_intent=seti_1&setup_intent_client_secret=seti_1_secret_2&redirect_status=succeeded", "Thank you!"),
        ("setup_intent=seti_1&setup_intent_client_secret=seti_1_secret_2&redirect_status=failed", "Nothing was saved"),
    ],
)
async def test_who_has_saved_a_method_reads_what_came_of_it(front, comes, said):
    page = await get(front, f"/payment-methods/back?language=en&{comes}")
    assert (page.status_code, said in page.text) == (200, True)


async def test_tax_is_told_with_its_rate(front):
    async with front.served.database.transaction([front.shop.tenant.tenant_id], actor="test") as tx:
        await catalog.set_default_tax_rate(
            tx, name="VAT", percent=Decimal("20.5"), country="GB", legal_note="", now=front.shop.now
        )
    _, path = await an_order(front)
    page = await get(front, path)
    assert "<td>VAT 20.5%</td>" in page.text
    assert "€6.15" in page.text


async def test_a_period_ends_on_the_day_on_which_its_invoice_says_so(front):
    answer, path = await an_order(front)
    [line] = answer.invoice.lines
    assert (line.period.starts_at.day, line.period.ends_at.day) == (1, 1)
    page = await get(front, path)
    assert "Mar 1\N{THIN SPACE}\N{EN DASH}\N{THIN SPACE}31, 2026" in page.text


async def test_a_suspended_tenant_collects_nothing_here(front):
    answer, path = await an_order(front)
    number = await front.shop.number(answer)
    async with front.served.database.transaction([front.shop.tenant.tenant_id], actor="test") as tx:
        await identity.suspend_tenant(tx, reason="fraud", now=front.shop.now)
    for page in (await get(front, path), await pressed(front, path)):
        assert page.status_code == 404
        assert number not in page.text


@pytest.mark.shows("ASVS 1.2.1", "fault F7")
async def test_what_others_wrote_is_text(front):
    _, path = await an_order(front)
    page = await get(front, path)
    assert "Pro &lt;b&gt;&amp;" in page.text
    assert "<b>" not in page.text


@pytest.mark.shows("ASVS 3.4.6", "ASVS 3.4.3", "PCI script clause", "fault G7")
async def test_runs_no_script_and_is_framed_by_nobody(front):
    _, path = await an_order(front)
    page = await get(front, path)
    policy = page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy
    nonce = re.search(r'<style nonce="([^"]+)">', page.text)[1]
    assert f"style-src 'nonce-{nonce}'" in policy
    assert 'style="' not in page.text
    assert page.headers["referrer-policy"] == "no-referrer"


async def test_speaks_the_customers_language(front):
    _, path = await an_order(front, language="de")
    page = await get(front, path)
    assert '<html lang="de">' in page.text
    assert "Bezahlen" in page.text
    assert "30,00\N{NO-BREAK SPACE}€" in page.text


@pytest.mark.parametrize(
    ("tag", "language", "amount"),
    [
        ("pt-BR", "pt", "€\N{NO-BREAK SPACE}30,00"),
        ("de-AT", "de", "€\N{NO-BREAK SPACE}30,00"),
        ("sv", "en", "€30.00"),
        ("deu", "de", "30,00\N{NO-BREAK SPACE}€"),
    ],
)
async def test_writes_amounts_as_the_customers_region_does_where_it_has_words_for_them(front, tag, language, amount):
    _, path = await an_order(front, language=tag)
    page = await get(front, path)
    assert (f'<html lang="{language}">' in page.text, amount in page.text) == (True, True)


@pytest.mark.shows("API1")
@pytest.mark.parametrize("token", ["x", "A" * 76, "%00", "..%2F..", "é"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_link_that_is_none_of_ours_shows_nothing(front, token, method):
    path = f"/checkout/{token}" + ("/pay" if method == "POST" else "")
    answer = await front.served.client.request(method, path)
    assert answer.status_code in {400, 404, 422}
    assert front.shop.tenant.name not in answer.text


async def test_pressing_the_button_asks_the_provider_and_looks_again_by_itself(front):
    _, path = await an_order(front)
    answer = await pressed(front, path)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?opening=1")
    waiting = await get(front, f"{path}?opening=1")
    assert f'content="2;url={path}?opening=1"' in waiting.text
    assert "<form" not in waiting.text


async def test_leads_to_the_providers_page_once_it_is_there(front):
    answer, path = await an_order(front)
    await front.shop.act(lambda tx: _open(tx, answer, front.shop.now))
    await front.shop.drain()
    again = await pressed(front, path)
    assert (again.status_code, again.headers["location"]) == (303, "https://pay.example.com/session")
    opened = await get(front, f"{path}?opening=1")
    assert (opened.status_code, opened.headers["location"]) == (303, "https://pay.example.com/session")
    assert "<form" in (await get(front, path)).text
    assert "https:" in (await get(front, path)).headers["content-security-policy"].split("form-action", 1)[1]


async def test_back_from_the_provider_it_waits_and_then_says_thank_you(front):
    answer, path = await an_order(front)
    opened = await front.shop.act(lambda tx: _open(tx, answer, front.shop.now))
    await front.shop.drain()
    waiting = await get(front, f"{path}?back=1")
    assert f'content="2;url={path}?back=1"' in waiting.text
    await front.shop.record(opened, says_yes(opened))
    done = await get(front, f"{path}?back=1")
    assert "Thank you" in done.text
    assert 'http-equiv="refresh"' not in done.text
    assert "<form" not in done.text
    assert (await pressed(front, path)).headers["location"] == path
    assert len(front.shop.charged_at) == 0


async def test_declined_it_can_be_tried_again(front):
    answer, path = await an_order(front)
    opened = await front.shop.act(lambda tx: _open(tx, answer, front.shop.now))
    await front.shop.drain()
    await front.shop.record(opened, says_never(opened))
    page = await get(front, path)
    assert "declined" in page.text
    assert "Try again" in page.text


@pytest.mark.shows("API6")
async def test_an_expired_link_takes_no_payment(front):
    _, path = await an_order(front)
    front.served.clock.move_to(front.shop.now + timedelta(days=90))
    assert "expired" in (await get(front, path)).text
    assert (await pressed(front, path)).headers["location"] == path
    assert "gateways.request.made" not in front.shop.names()


async def _open(tx, answer, now):
    return await orders.open_checkout(tx, invoice_id=answer.invoice.id, return_url="https://x.example", now=now)
