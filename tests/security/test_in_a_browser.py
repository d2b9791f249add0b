"""A page elsewhere (G7 of the guarantees), in a real browser that has a session of ours …"""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import async_playwright

from tests.support.builders.identity import new_tenant
from tests.support.builders.staff import EMAIL, PASSWORD, a_member
from tests.support.inside import lightly_furnished

pytestmark = pytest.mark.needs_chromium
# Cookies know no ports: a page at another port of this host is same-site, the hardest neighbour to keep out.
EVIL = """<!doctype html><title>evil</title><body>
<form id=f method=post enctype="text/plain" target=_self></form></body>"""


@asynccontextmanager
async def a_page_elsewhere():
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(EVIL)}\r\nConnection: close\r\n\r\n"
        writer.write((head + EVIL).encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


@pytest.fixture(scope="module")
async def tenant(inside):
    tenant = await new_tenant(inside.house.database, name="Acme", slug="default")
    await a_member(inside.house.database, tenant)
    return tenant


@pytest.fixture(scope="module")
async def context(chromium_path, port, tenant):
    """A browser in which somebody of the staff has signed in, by the page."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
        context = await browser.new_context(base_url=f"http://127.0.0.1:{port}")
        page = await context.new_page()
        complaints = []
        page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        await page.goto("/sign-in")
        await page.fill("[name=email]", EMAIL)
        await page.fill("[name=password]", PASSWORD)
        await page.click("button")
        await page.get_by_text("You are signed in").wait_for()
        assert complaints == [], "a page that breaks its own policy is no page"
        await page.close()
        yield context
        await browser.close()


async def asked_from(page, url, **how):
    """Ask as a script of that page would; what it may read of the answer, or that it may not."""
    return await page.evaluate(
        """async ([url, how]) => {
            try { const answer = await fetch(url, how); return [answer.type, answer.status, await answer.text()]; }
            catch (error) { return ["refused", 0, ""]; }
        }""",
        [url, {"credentials": "include", **how}],
    )


async def submitted(context, evil, url, kind, field):
    """Send a form from the page elsewhere, as a click on it would; return how it was answered."""
    page = await context.new_page()
    await page.goto(evil)
    async with page.expect_event("response", lambda answer: answer.url == url) as answered:
        await page.evaluate(
            """([url, kind, name]) => { const form = document.getElementById("f"); form.action = url;
                form.enctype = kind; const field = document.createElement("input"); field.name = name;
                field.value = '"}'; form.append(field); form.submit(); }""",
            [url, kind, field],
        )
    answer = await answered.value
    return answer.status


async def who(context):
    """Return what the session is worth now."""
    answer = await context.request.get("/api/session")
    return answer.status


@pytest.mark.shows("fault G7", "ASVS 3.3.1", "ASVS 3.3.2", "ASVS 3.3.4")
async def test_the_session_is_a_cookie_that_no_script_reads(context):
    [cookie] = [each for each in await context.cookies() if "guilder" in each["name"]]
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/")
    page = await context.new_page()
    await page.goto("/sign-in")
    assert await page.evaluate("document.cookie") == ""
    assert await who(context) == 200


@pytest.mark.shows("fault G7", "ASVS 3.5.1", "ASVS 3.5.2", "ASVS 3.4.2", "ASVS 3.5.8")
async def test_reads_nothing_and_changes_nothing_with_it(context, port, tenant, inside):
    ours = f"http://127.0.0.1:{port}"
    async with a_page_elsewhere() as evil:
        page = await context.new_page()
        await page.goto(evil)
        for path in ("/api/session", "/api/members", "/api/customers", "/openapi.json"):
            assert (await asked_from(page, ours + path))[0] == "refused", path
            said = await asked_from(page, ours + path, mode="no-cors")
            assert said[0] != "basic", path
            assert said[2] == "", path
        body = json.dumps({"email": "mallory@evil.example", "role": "admin"})
        for how in (
            {"method": "POST", "body": body, "mode": "no-cors", "headers": {"Content-Type": "text/plain"}},
            {"method": "POST", "body": body, "mode": "no-cors"},
            {"method": "POST", "body": body, "headers": {"Content-Type": "application/json"}},
            {"method": "POST", "body": body, "headers": {"Content-Type": "text/plain"}},
        ):
            await asked_from(page, f"{ours}/api/members", **how)
        for path in ("/sign-out", "/sign-in", "/api/session"):
            await asked_from(page, ours + path, method="POST", mode="no-cors", body="email=a&password=b")
        await asked_from(page, f"{ours}/api/session", method="DELETE")
        # A form needs nobody's leave to be sent; it goes with the cookie, for this host is one site.
        json_like = '{"email": "mallory@evil.example", "role": "admin", "x": "'
        assert await submitted(context, evil, f"{ours}/api/members", "text/plain", json_like) in {403, 415}
        for path in ("/sign-out", "/sign-in"):
            assert await submitted(context, evil, ours + path, "application/x-www-form-urlencoded", "email") == 403
    assert await who(context) == 200, "nobody was signed out"
    members = (await (await context.request.get("/api/members")).json())["data"]
    assert [each["email"] for each in members] == [EMAIL]


@pytest.mark.shows("fault G7", "ASVS 3.4.6", "ASVS 3.4.3")
async def test_cannot_frame_what_is_ours(context, port, inside):
    asked = await inside.a_sandbox()
    await lightly_furnished(asked)
    order = await asked.post("/pay", {"customer": "acme", "product": "film"})
    async with a_page_elsewhere() as evil:
        page = await context.new_page()
        for path in ("/sign-in", order["payment_link"], "/docs", "/openapi.json", "/api/session", "/mailbox"):
            await page.goto(evil)
            url = path if path.startswith("http") else f"http://127.0.0.1:{port}{path}"
            await page.evaluate(
                """url => new Promise(done => { const frame = document.createElement("iframe"); frame.src = url;
                    frame.onload = done; document.body.append(frame); })""",
                url,
            )
            framed = [each for each in page.frames if each != page.main_frame]
            assert all(each.url.startswith("chrome-error:") for each in framed), (path, [each.url for each in framed])
        # The control: the page itself is there to be seen.
        await page.goto(order["payment_link"])
        assert "A Film" in await page.inner_text("body")


ELSEWHERE = [
    "//evil.example",
    "https://evil.example",
    "/\\evil.example",
    "/@evil.example/..//evil.example",
    "javascript:x",
]


@pytest.mark.shows("fault G7", "ASVS 3.7.2")
async def test_is_not_where_one_is_led_to(context, port):
    page = await context.new_page()
    for said in ELSEWHERE:
        await page.goto("/sign-in?" + "return_to=" + said.replace("\\", "%5C"))
        for link in await page.locator("a").all():
            assert (await link.get_attribute("href") or "/").startswith("/"), said
        await context.clear_cookies()
        await page.goto("/sign-in?" + "return_to=" + said.replace("\\", "%5C"))
        await page.fill("[name=email]", EMAIL)
        await page.fill("[name=password]", PASSWORD)
        await page.click("button")
        await page.wait_for_load_state()
        assert page.url.startswith(f"http://127.0.0.1:{port}/"), (said, page.url)


@pytest.mark.shows("fault G7", "ASVS 14.3.2", "ASVS 3.4.1")
async def test_nothing_of_ours_is_kept_by_the_browser(context):
    for path in ("/api/session", "/api/members", "/sign-in", "/api/customers/nobody", "/nowhere"):
        answer = await context.request.get(path)
        assert answer.headers["cache-control"] == "no-store", path
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
