"""The mailbox's pages: what they show, whom they hide, and what a hostile mail cannot do in them."""

import asyncio
import os
import socket
import subprocess
from contextlib import asynccontextmanager

import pytest
import uvicorn
from playwright.async_api import async_playwright

from guilder.domain.identity.model import Mode
from guilder.domain.notifications.model import About, Kind
from guilder.entrypoints.mailbox import router as mailbox_router
from guilder.kernel import ids
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import new_tenant
from tests.support.builders.notifications import a_message, an_open_invoice
from tests.support.served import served

HOSTILE = '<script>document.title="taken"</script><img src=x onerror=alert(1)>'


async def a_reader(house, *, mode=Mode.SANDBOX, tenant_name="Northwind", **about):
    tenant = await new_tenant(house.database, mode=mode, name=tenant_name)
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        return await a_customer(tx, **about)


async def text(house, path, status=200):
    answer = await house.nobody()("GET", path)
    assert answer.status_code == status, answer.text
    return answer.text


async def test_what_sandboxes_and_tests_said_is_listed_and_what_live_ones_said_is_not(house, tell):
    for mode in Mode:
        await tell(a_message(await a_reader(house, mode=mode, email=f"ada@{mode.value}.example")))
    page = await text(house, "/mailbox")
    assert ["sandbox.example" in page, "test.example" in page, "live.example" in page] == [True, True, False]


@pytest.mark.shows("ASVS 15.2.3")
async def test_a_live_tenants_message_is_not_found_by_its_id(house, tell):
    [told] = await tell(a_message(await a_reader(house, mode=Mode.LIVE)))
    for path in (f"/mailbox/{told.id}", f"/mailbox/{ids.to_text('msg', told.id)}/body"):
        await text(house, path, 404)


async def test_one_tenants_messages_are_shown_alone(house, tell):
    readers = [await a_reader(house, tenant_name=name, email=f"x@{name}.example") for name in ("one", "two")]
    for each in readers:
        await tell(a_message(each))
    page = await text(house, f"/mailbox?tenant={ids.to_text('ten', readers[0].tenant_id)}")
    assert ["x@one.example" in page, "x@two.example" in page] == [True, False]
    live = await a_reader(house, mode=Mode.LIVE, email="x@live.example")
    await tell(a_message(live))
    assert "x@live.example" not in await text(house, f"/mailbox?tenant={ids.to_text('ten', live.tenant_id)}")


@pytest.mark.parametrize("path", ["/mailbox/nothing", "/mailbox/msg_01h455vb4pex5vsknk084sn02q", "/mailbox/x/body"])
async def test_what_is_not_there_is_not_found(house, path):
    await text(house, path, 404)


@pytest.mark.shows("ASVS 3.2.1", "ASVS 3.4.6")
async def test_a_mail_is_locked_in_its_frame(house, tell):
    [told] = await tell(a_message(await a_reader(house, name=HOSTILE)))
    page = await house.nobody()("GET", f"/mailbox/{ids.to_text('msg', told.id)}")
    assert '<iframe title="The e-mail" sandbox="allow-popups allow-popups-to-escape-sandbox"' in page.text
    assert "<script" not in page.text
    assert "script-src 'nonce-" in page.headers["Content-Security-Policy"]
    body = await house.nobody()("GET", f"/mailbox/{ids.to_text('msg', told.id)}/body")
    policy = body.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox allow-popups allow-popups-to-escape-sandbox" in policy
    assert "allow-scripts" not in policy
    assert "<script" not in body.text


@pytest.mark.shows("ASVS 15.2.3", "ASVS 13.4.5")
async def test_production_has_no_mailbox(house):
    async with served(house.database, [mailbox_router(is_production=True)]) as production:
        assert (await production.nobody()("GET", "/mailbox")).status_code == 404


async def test_an_empty_mailbox_says_what_will_appear(house):
    assert "No messages yet." in await text(house, "/mailbox")


async def test_a_link_in_an_sms_can_be_followed_and_what_is_no_link_is_text(house, tell):
    reader = await a_reader(house, tenant_name="<b>Bold</b>", phone="+31201234567")
    async with house.database.transaction([reader.tenant_id], actor="test") as tx:
        invoice = await an_open_invoice(tx, reader)
    [_, sms] = await tell(a_message(reader, Kind.APOLOGY, about=About(invoice_id=invoice.id)))
    page = await text(house, f"/mailbox/{ids.to_text('msg', sms.id)}")
    assert '<a href="https://billing.example.com/checkout/' in page
    assert "<b>Bold" not in page


@asynccontextmanager
async def on_a_port(app):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


async def picture(chromium, url, to, size="1280,900"):
    """Let a browser draw a page, and return what it made of the document."""
    program = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={size}"]
    process = await asyncio.create_subprocess_exec(
        *program,
        f"--user-data-dir={to.parent / 'profile'}",
        "--virtual-time-budget=3000",
        f"--screenshot={to}",
        url,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert await asyncio.wait_for(process.wait(), 60) == 0
    return to.read_bytes()


@pytest.mark.needs_chromium
async def test_a_browser_draws_the_mail_beside_the_list(house, tell, chromium_path, tmp_path):
    reader = await a_reader(house, phone="+31201234567")
    async with house.database.transaction([reader.tenant_id], actor="test") as tx:
        invoice = await an_open_invoice(tx, reader)
    about = About(invoice_id=invoice.id)
    [mail, sms, *_] = await tell(
        a_message(reader, Kind.APOLOGY, about=about),
        a_message(reader),
        a_message(reader, Kind.PAYMENT_FAILED, about=about),
    )
    folder = tmp_path
    if keep := os.environ.get("GUILDER_TEST_PICTURES"):
        folder = type(tmp_path)(keep)
    async with on_a_port(house.app) as url:
        shown = f"{url}/mailbox/{ids.to_text('msg', mail.id)}"
        with_mail = await picture(chromium_path, shown, folder / "mail.png")
        without = await picture(chromium_path, f"{url}/mailbox", folder / "list.png")
        await picture(chromium_path, f"{url}/mailbox/{ids.to_text('msg', sms.id)}", folder / "sms.png")
        await picture(chromium_path, shown, folder / "narrow.png", size="500,1000")
    # A frame that was refused would leave the pane as empty as it is without a message.
    assert len(with_mail) > len(without) * 1.2


@pytest.mark.needs_chromium
async def test_a_mails_button_opens_the_payment_page_beside_the_mailbox(house, tell, chromium_path):
    reader = await a_reader(house)
    async with house.database.transaction([reader.tenant_id], actor="test") as tx:
        invoice = await an_open_invoice(tx, reader)
    [mail, _] = await tell(a_message(reader, Kind.APOLOGY, about=About(invoice_id=invoice.id)))
    async with on_a_port(house.app) as url, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
        context = await browser.new_context()
        await context.route("https://billing.example.com/**", lambda route: route.fulfill(body="pay here"))
        page = await context.new_page()
        complaints = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        await page.goto(f"{url}/mailbox/{ids.to_text('msg', mail.id)}")
        async with page.expect_popup() as opened:
            await page.frame_locator("iframe").get_by_text("Pay and restore access").click()
        popup = await opened.value
        assert popup.url.startswith("https://billing.example.com/checkout/")
        await browser.close()
    assert complaints == []
