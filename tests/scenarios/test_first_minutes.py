"""The README, followed to the letter: `guilder up` in an empty folder, and every command as it is printed.

Only where the server is differs (a free port). The browser is played by httpx: it opens the link that the reader is told
to open, and pays with the card that the reader is told to use.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from guilder.entrypoints.demo import story
from guilder.entrypoints.demo.client import Api
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
# Blocks of `sh` are the two that start everything; those of `bash` are followed here.
BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
CARD = {"number": "4242424242424242", "expiry": "12 / 34", "cvc": "123", "name": "A. Reader"}
START_TIMEOUT_S = 180
END = "--end-of-block--"


class Shell:
    """One shell in which the reader's commands follow each other."""

    def __init__(self, folder: Path, *, port: int, provider_port: int) -> None:
        self._port, self._provider_port = port, provider_port
        self._bash = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.run("set -euo pipefail; trap 'echo FAILED: $BASH_COMMAND' ERR")

    def run(self, commands: str) -> str:
        """Run a block as it stands in the README, and return what it printed; a command that fails fails the test."""
        here = commands.replace("localhost:4000", f"localhost:{self._port}")
        here = here.replace("localhost:4010", f"localhost:{self._provider_port}")
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(f"{here}\necho {END}\n")
        self._bash.stdin.flush()
        said = []
        for line in self._bash.stdout:
            if line.strip() == END:
                return "".join(said)
            said.append(line)
        raise AssertionError(f"failed:\n{here}\n{''.join(said)}")

    def close(self) -> None:
        self._bash.kill()
        self._bash.communicate()


class Running:
    """`guilder up` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.port, self.provider_port = free_port(), free_port()
        self.folder = folder
        self.log = folder / "up.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        own = ("GUILDER_", "DATABASE_", "PUBLIC_URL", "APP_ENV", "LOG_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        environment |= {"PORT": str(self.port), "PROVIDER_PORT": str(self.provider_port)}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "guilder", "up"],
                cwd=self.folder,
                env={**environment, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def until_greeted(self, times: int = 1) -> str:
        assert self._process is not None
        ends = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < ends:
            said = self.log.read_text()
            if said.count("Ctrl-C stops everything") == times:
                return said
            assert self._process.poll() is None, said
            time.sleep(0.2)
        raise AssertionError(self.log.read_text())

    def stop(self) -> int:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(90)
        finally:
            self._process.kill()

    @property
    def key(self) -> str:
        return (self.folder / ".data" / "demo-key").read_text().strip()

    def get(self, path: str) -> httpx.Response:
        return httpx.get(
            f"http://localhost:{self.port}{path}",
            headers={"Authorization": f"Bearer {self.key}"},
            trust_env=False,
            follow_redirects=True,
            timeout=30,
        )

    def data(self, path: str):
        answer = self.get(path)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()["data"]

    def until(self, check, what: str) -> None:
        ends = time.monotonic() + 180
        while not check():
            assert time.monotonic() < ends, f"{what} did not happen"
            time.sleep(0.1)

    def until_at_rest(self) -> None:
        self.until(lambda: self.data("/api/clock")["state"] == "at_rest", "the clock's arrival")


@pytest.fixture
def running():
    # The embedded server may run as somebody else, who has to be let through.
    folder = Path(tempfile.mkdtemp(prefix="guilder-readme-"))
    folder.chmod(0o711)
    up = Running(folder)
    up.start()
    yield up
    up.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def shell(running):
    shell = Shell(running.folder, port=running.port, provider_port=running.provider_port)
    yield shell
    shell.close()


def pay(running: Running, link: str) -> None:
    """Do what the reader does in the browser: open the link, go on to the provider's page, and pay."""
    assert link.startswith(f"http://localhost:{running.port}/checkout/"), link
    with httpx.Client(trust_env=False, follow_redirects=True, timeout=30) as browser:
        page = browser.get(link)
        assert page.status_code == 200, page.text
        assert "€22.99" in page.text
        page = browser.post(f"{link}/pay")
        ends = time.monotonic() + 120
        while str(running.provider_port) not in str(page.url):
            assert time.monotonic() < ends, page.text
            time.sleep(0.2)
            page = browser.get(f"{link}?opening=1")
        assert browser.post(str(page.url), data=CARD).status_code == 200


@pytest.mark.timeout(900)
def test_every_command_of_the_readme_does_what_it_says(running, shell):
    said = running.until_greeted()
    assert running.key in said, "the key can be copied from the terminal"
    assert "not complete" not in said, said
    history_is_told(running)
    what_is_used_is_billed(running)
    asked_again_it_is_done_once(running)

    blocks = BLOCK.findall(README)
    assert len(blocks) == 15
    begin, sell, to_somebody, subscribe, see, explain, month, once, fails, by_hand, lifted, *by_use = blocks
    for block in (begin, sell, to_somebody):
        shell.run(block)
    assert '"status": "processing"' in shell.run(subscribe)

    pay(running, shell.run("echo $LINK").strip())
    invoice = shell.run("echo $INVOICE").strip()
    running.until(lambda: running.data("/api/entitlements/acme")["eligible"], "access")
    running.until(lambda: running.get(f"/api/invoices/{invoice}/pdf").status_code == 200, "the PDF")
    saw = shell.run(see)
    for expected in ('"status": "active"', '"eligible": true', '"status": "paid"', '"total": 2299', '"amount_due": 0'):
        assert expected in saw
    assert (running.folder / "invoice.pdf").read_bytes().startswith(b"%PDF-")
    running.until(lambda: "billing@acme.example" in running.get("/mailbox").text, "the thank-you")
    assert '"status": "success"' in shell.run(explain)

    paid_until = running.data("/api/subscriptions/acme")["current_period_end"]
    moved = shell.run(month)
    running.until_at_rest()
    assert '"status": "active"' in moved
    assert running.data("/api/subscriptions/acme")["current_period_end"] > paid_until

    assert '"status": "active"' in shell.run(once)
    failed = shell.run(fails)
    running.until_at_rest()
    statuses = re.findall(r'"status": "(past_due|suspended)"', failed)
    assert statuses == ["past_due", "suspended"], failed
    assert '"blocked": true' in failed
    kinds = re.findall(r'"kind": "(\w+)"', failed)
    assert kinds.count("apology") == 1, kinds
    assert kinds.count("payment_failed") == 3, kinds
    assert "payment_reminder" in kinds, kinds

    shell.run(by_hand)
    pay(running, shell.run("echo $LINK").strip())
    running.until(lambda: running.data("/api/entitlements/globex")["eligible"], "the block's end")
    again = shell.run(lifted)
    assert '"blocked": false' in again
    assert '"status": "active"' in again

    use_is_charged_as_it_was_foretold(running, shell, *by_use)
    stops_and_continues(running)


def use_is_charged_as_it_was_foretold(
    running: Running, shell: Shell, by_use: str, order: str, use: str, month: str
) -> None:
    shell.run(by_use)
    ordered = shell.run(order)
    assert re.findall(r'"total": (\d+)', ordered)[0] == "545", "half of 9.00, and 21 %"
    assert '"status": "active"' in ordered
    used = shell.run(use)
    assert '"duplicates": 1' in used
    # 16 pages: 2 included, 10 at 50 cents, 4 at 12.5 cents; half of it and of the fee, and 21 %.
    assert re.findall(r'"total": (\d+)', used)[-1] == "877", used
    explained = shell.run(month)
    assert explained.count('"sentence"') == 3, explained
    [bill, _] = running.data(f"/api/invoices?subscription_id={shell.run('echo $PRESS').strip()}")
    assert (bill["total"], bill["discount"], bill["status"]) == (877, 725, "paid")


def history_is_told(running: Running) -> None:
    """The demo's customers have come to be in different states, by real payments."""
    states = {
        who: running.data(f"/api/subscriptions/{who}")["status"]
        for who in ("aurora", "brasserie", "kestrel", "nordlys", "sakura", "maple", "lumen")
    }
    assert states == {
        "aurora": "active",
        "brasserie": "active",
        "kestrel": "active",
        "nordlys": "past_due",
        "sakura": "expired",
        "maple": "trialing",
        "lumen": "active",
    }
    assert running.data("/api/entitlements/maple/content/film-dikes")["allowed"]
    mode = (running.folder / ".data" / "demo-key").stat().st_mode
    assert mode & 0o077 == 0, "the key is for the owner of the folder alone"


def what_is_used_is_billed(running: Running) -> None:
    """Use, tiers, a promo code, reverse charge, seats, a pause, a credit note and an invoice with terms can be looked at."""
    bills = running.data("/api/invoices?limit=100")
    whose = {each["id"]: each["organization_id"] for each in running.data("/api/customers?limit=100")}
    mine = [each for each in bills if whose[each["customer_id"]] == "lumen"]
    assert len(mine) == 3
    for bill in mine:
        assert (bill["tax"], {line["tax_code"] for line in bill["lines"]}) == (0, {"reverse_charge"}), bill
        before = bill["subtotal"] + bill["discount"]
        assert abs(bill["discount"] * 5 - before) <= len(bill["lines"]) * 5, "20 % off"
    assert [bill["discount"] for bill in mine][-1] == 980
    kinds = {line["kind"] for bill in mine for line in bill["lines"]}
    assert {"recurring", "usage"} <= kinds
    calls = max(
        float(line["quantity"]) for bill in mine for line in bill["lines"] if line["description"] == "API calls"
    )
    assert calls > 50_000, "the third tier is reached"
    assert running.data("/api/subscriptions/kestrel")["quantity"] == 3
    assert {"proration_credit", "proration_charge"} <= {line["kind"] for bill in bills for line in bill["lines"]}
    [note] = [each for each in bills if each["kind"] == "credit_note"]
    assert (whose[note["customer_id"]], note["total"]) == ("aurora", -500)
    [sent] = [each for each in bills if each["is_sent"]]
    assert (whose[sent["customer_id"]], sent["status"], sent["amount_due"]) == ("kestrel", "open", 145_200)
    told = {each["kind"] for each in running.data("/api/notifications?limit=100")}
    assert {"invoice_sent", "credit_note_issued", "subscription_paused", "subscription_resumed"} <= told


def asked_again_it_is_done_once(running: Running) -> None:
    """What the demo was interrupted in is asked for anew: nothing of it happens twice."""

    def made() -> list[object]:
        paths = ("/api/invoices?limit=100", "/api/subscriptions?limit=100", "/api/orders?limit=100")
        used = running.data("/api/usage/current?organization_id=lumen")
        return [*(len(running.data(path)) for path in paths), used, running.data("/api/promo-codes/WELCOME20")]

    async def again() -> None:
        headers = {"Authorization": f"Bearer {running.key}"}
        url = f"http://localhost:{running.port}"
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=30) as client:
            clock = (await client.get("/api/clock")).json()["data"]["now"]
            api = Api(client, datetime.fromisoformat(clock) - timedelta(days=story.DAYS))
            await api.subscribe("lumen", "cloud", "monthly", code="WELCOME20")
            await api.use(story.readings("lumen", api.start, 70, 82))
            await api.take_seats("kestrel", 3)
            await api.credit("aurora", 500, "Reports were down on Tuesday")
            await api.invoice("kestrel", story.WORKSHOP)
            await api.resume("brasserie")

    before = made()
    asyncio.run(again())
    assert made() == before


def stops_and_continues(running: Running) -> None:
    """Ctrl-C ends well, and the next start goes on with everything as it was."""
    before = running.data("/api/subscriptions")
    key = running.key
    assert running.stop() == 0, running.log.read_text()
    running.start()
    running.until_greeted(times=2)
    assert running.key == key
    assert json.dumps(running.data("/api/subscriptions")) == json.dumps(before)
