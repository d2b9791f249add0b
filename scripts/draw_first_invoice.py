"""Draw the README's picture, from a running `make up`: the payment page, the receipt by mail, and the paid invoice.

    python scripts/draw_first_invoice.py [http://localhost:4000] [.data]

Sells to somebody new in the demo's sandbox, pays as a person does, and puts the three beside each other in
docs/pictures/first-invoice.png. Needs Chromium and pdftoppm.
"""

import asyncio
import base64
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from playwright.async_api import Browser, Page, async_playwright

PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "first-invoice.png"
BYTES_MAX = 250_000
WIDTH, HEIGHT, GAP = 380, 640, 20
PAPER_DPI, PAPER_WIDTH, PAPER_MARGIN = 68, 502, 30  # of an A4 page, what is printed on
PLAN = {"code": "team", "name": "Team", "prices": [{"billing_cycle": "monthly", "amount": 1900, "currency": "EUR"}]}
ADDRESS = {"line1": "1 Main Street", "city": "Dublin", "country": "IE"}
CARD = {"number": "4242 4242 4242 4242", "expiry": "12/34", "cvc": "123", "name": "Ada Lovelace"}
_SHEET = """
body { margin: 0; padding: %(gap)dpx; background: #e5e7eb; font: 600 15px system-ui, sans-serif; color: #374151 }
main { display: flex; gap: %(gap)dpx }
figure { margin: 0 } figcaption { margin-bottom: 8px }
div { height: %(height)dpx; overflow: hidden; border-radius: 8px; background: #fff; box-shadow: 0 1px 6px #0003 }
"""


async def sold(api: httpx.AsyncClient, organization: str) -> tuple[str, str]:
    """Subscribe somebody to a plan, as the README does; return the payment link and the invoice."""
    if (await api.get("/api/plans/team")).status_code == httpx.codes.NOT_FOUND:
        await _posted(api, "/api/plans", PLAN)
    named = {"organization_id": organization, "name": "Acme Inc.", "email": "billing@acme.example", "address": ADDRESS}
    await _posted(api, "/api/customers", named)
    answer = await _posted(api, "/api/subscriptions", {"organization_id": organization, "plan_id": "team"})
    return answer["payment_link"], answer["invoice_id"]


async def _posted(api: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = (await api.post(path, json=body)).raise_for_status().json()
    data: dict[str, Any] = answer["data"]
    return data


async def pay(page: Page, link: str) -> bytes:
    """Pay on the provider's page; return how the page looked that led there."""
    await page.goto(link)
    shown = await page.screenshot()
    await page.get_by_role("button", name="Pay").click()
    for name, typed in CARD.items():
        await page.locator(f"input[name={name}]").fill(typed)
    await page.get_by_role("button", name="Pay").click()
    await page.get_by_text("Thank you").wait_for()
    return shown


async def receipt(page: Page, address: str) -> bytes:
    await page.goto(f"{address}/mailbox")
    await page.get_by_text("Receipt from").first.click()
    framed = await (await page.wait_for_selector("iframe")).content_frame()
    assert framed is not None
    await framed.get_by_role("heading").first.wait_for()
    alone = await page.context.new_page()  # the mailbox's own page lets no mail bring its style along
    await alone.set_content(await framed.content())
    return await alone.screenshot()


async def pdf_of(api: httpx.AsyncClient, invoice: str) -> bytes:
    found = await api.get(f"/api/invoices/{invoice}/pdf", follow_redirects=True)
    return found.raise_for_status().content


def paper(pdf: bytes) -> bytes:
    """Draw the upper part of a PDF's first page."""
    of_page = {"-r": PAPER_DPI, "-x": PAPER_MARGIN, "-y": 0, "-W": PAPER_WIDTH, "-H": HEIGHT}
    drawn = ["pdftoppm", "-png", "-singlefile", *(str(word) for pair in of_page.items() for word in pair)]
    return subprocess.run(drawn, input=pdf, stdout=subprocess.PIPE, check=True).stdout


async def beside(browser: Browser, shown: dict[str, bytes]) -> bytes:
    """Put pictures beside each other, with what they are above them."""
    figures = "".join(
        f"<figure><figcaption>{said}</figcaption>"
        f'<div><img src="data:image/png;base64,{base64.b64encode(png).decode()}"></div></figure>'
        for said, png in shown.items()
    )
    page = await browser.new_page(viewport={"width": 2 * WIDTH + PAPER_WIDTH + 4 * GAP, "height": 100})
    style = _SHEET % {"gap": GAP, "height": HEIGHT}
    await page.set_content(f"<style>{style}</style><main>{figures}</main>")
    return await page.screenshot(full_page=True)


async def draw(address: str, key: str) -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    authority = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=address, headers=authority, timeout=60) as api, async_playwright() as started:
        link, invoice = await sold(api, f"acme-{uuid4().hex[:8]}")
        browser = await started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = await browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
        page = await context.new_page()
        shown = {
            "1. The customer pays": await pay(page, link),
            "2. They are thanked by mail": await receipt(page, address),
            "3. The invoice is paid": paper(await pdf_of(api, invoice)),
        }
        PICTURE.write_bytes(await beside(browser, shown))
        await browser.close()


def main() -> int:
    address = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:4000"
    data = Path(sys.argv[2] if len(sys.argv) > 2 else ".data")
    asyncio.run(draw(address, (data / "demo-key").read_text().strip()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
