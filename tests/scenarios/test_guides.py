"""The guides to providers, followed to the letter: every block of `bash` in them, from an empty account to a paid invoice.

Only where the server is differs. What is asked at the terminal is typed; the browser is played by httpx.
"""

import asyncio
import os
import shlex
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.scenarios.test_first_minutes import BLOCK, Shell
from tests.support.providers import GUILDER, Providers

GUIDES = Path(__file__).parents[2] / "docs" / "howto"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def default_tenant(providers: Providers) -> None:
    providers.tenant("default")


@pytest.fixture
def shell(providers: Providers, tmp_path: Path):
    installation = providers.installation
    shell = Shell(tmp_path, port=installation.port, provider_port=installation.provider_port)
    for name, value in installation.environment.items():
        if os.environ.get(name) != value:
            shell.run(f"export {name}={shlex.quote(value)}")
    command = f"{sys.executable} -m tests.support.terminal {tmp_path / 'answers'} {sys.executable} -m {GUILDER}"
    # Whoever connects sits at a terminal.
    shell.run(f"export PYTHONPATH={ROOT}:{ROOT / 'src'}")
    shell.run(
        f'guilder() {{ if [ "$1" = connect ]; then {command} "$@"; else {sys.executable} -m {GUILDER} "$@"; fi; }}'
    )
    yield shell
    shell.close()


def blocks_of(name: str) -> list[str]:
    return BLOCK.findall((GUIDES / name).read_text())


def open_page(link: str) -> str:
    """Open a payment link, and go on to the provider's page."""
    with httpx.Client(trust_env=False, follow_redirects=False, timeout=30) as browser:
        browser.post(f"{link}/pay")
        ends = time.monotonic() + 180
        while True:
            page = browser.get(f"{link}?opening=1")
            if page.is_redirect and link not in page.headers["location"]:
                return page.headers["location"]
            assert time.monotonic() < ends, page.text
            time.sleep(0.3)


def run_until(shell: Shell, block: str, expected: str) -> str:
    ends = time.monotonic() + 180
    while expected not in (said := shell.run(block)):
        assert time.monotonic() < ends, said
        time.sleep(0.5)
    return said


@pytest.mark.timeout(900)
def test_stripe_in_five_minutes(providers, shell, tmp_path):
    merchant = providers.stripe.merchant()
    (tmp_path / "answers").write_text(merchant.secret_key)
    connect, sell, see, check = blocks_of("stripe.md")
    said = shell.run(connect)
    assert "a test notice arrived, rightly signed" in said
    assert "✗" not in said
    assert merchant.secret_key not in said
    assert '"processing"' in shell.run(sell)
    page = open_page(shell.run("echo $LINK").strip())
    assert page.startswith(providers.stripe.url)
    assert merchant.pay_page(page).status_code == 303
    saw = run_until(shell, see, '"status": "paid"')
    assert '"status": "active"' in saw
    assert '"amount_due": 0' in saw
    assert [each["amount"] for each in merchant.charges()] == [1900]
    assert "✗" not in shell.run(check)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_paypal_in_five_minutes(providers, shell, tmp_path):
    merchant = providers.paypal.account()
    (tmp_path / "answers").write_text(f"{merchant.client_id}\n{merchant.secret}")
    connect, sell, see, check = blocks_of("paypal.md")
    said = shell.run(connect)
    assert "it sends all events" in said
    assert "✗" not in said
    assert merchant.secret not in said
    assert '"processing"' in shell.run(sell)
    page = open_page(shell.run("echo $LINK").strip())
    assert page.startswith(providers.paypal.url)
    assert httpx.post(page, trust_env=False, timeout=60).status_code == 303
    assert set(asyncio.run(providers.paypal.deliver(merchant))) == {200}
    saw = run_until(shell, see, '"status": "paid"')
    assert '"status": "active"' in saw
    assert merchant.charged() == [("19.00", "EUR")]
    assert "✗" not in shell.run(check)


@pytest.mark.timeout(900)
def test_a_transfer_in_five_minutes(shell):
    begin, bank, route, sell, record, see = blocks_of("bank-transfer.md")
    for block in (begin, bank, route):
        shell.run(block)
    assert '"processing"' in shell.run(sell)
    link = shell.run("echo $LINK").strip()
    page = httpx.post(f"{link}/pay", trust_env=False, follow_redirects=True, timeout=30).text
    assert "IBAN NL00 BANK 0123 4567" in page
    assert '"succeeded"' in shell.run(record)
    assert '"status": "active"' in run_until(shell, see, '"status": "paid"')
