"""An installation of real processes whose Stripe and PayPal are the fakes, and its command line."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from guilder.entrypoints.cli import app
from tests.support.database import DatabaseUrls
from tests.support.fakes.paypal.server import FakePayPal
from tests.support.fakes.stripe.server import FakeStripe
from tests.support.processes import Installation

GUILDER = "tests.support.fakes.paypal.house"
TIMEOUT_S = 120


@dataclass(frozen=True, slots=True)
class Said:
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Providers:
    installation: Installation
    stripe: FakeStripe
    paypal: FakePayPal

    def guilder(self, *words: str, stdin: str = "", **more: str) -> Said:
        """Run a command as somebody's script would; in this process, for the house takes seconds to be read in."""
        with patch.dict(os.environ, {**self.installation.environment, **more}):
            done = CliRunner().invoke(app, list(words), input=stdin)
        assert done.exception is None or isinstance(done.exception, SystemExit), (words, done.output, done.exception)
        return Said(done.exit_code, done.output)

    def typed(self, *words: str, answers: list[str], **more: str) -> Said:
        """Run a command as a process at a terminal of its own, and type these when asked."""
        file = self.installation.folder / "answers"
        file.write_text("\n".join(answers))
        terminal = [sys.executable, "-m", "tests.support.terminal", str(file)]
        done = subprocess.run(
            [*terminal, sys.executable, "-m", GUILDER, *words],
            env={**self.installation.environment, **more},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_S,
            check=False,
        )
        return Said(done.returncode, done.stdout)

    def tenant(self, slug: str, *options: str) -> str:
        """Found a tenant, and return its API key."""
        made = self.guilder("tenant", "create", slug, *options)
        assert made.code == 0, made.text
        return made.text.split()[-1]


@asynccontextmanager
async def with_providers(urls: DatabaseUrls, folder: Path) -> AsyncIterator[Providers]:
    paypal = FakePayPal()
    paypal.start()
    root = folder / "paypal-root.pem"
    root.write_bytes(paypal.signers.root.certificate.public_bytes(Encoding.PEM))
    with FakeStripe() as stripe:
        more = {"STRIPE_API_URL": stripe.url, "PAYPAL_API_URL": paypal.url, "GUILDER_TEST_PAYPAL_ROOT": str(root)}
        installation = Installation(urls, folder, more=more)
        try:
            installation.add("api", "-m", GUILDER, "serve")
            installation.add("worker", "-m", GUILDER, "work")
            installation.add("scheduler", "-m", GUILDER, "schedule")
            installation.until_answering(f"{installation.base_url}/ready", "api")
            yield Providers(installation, stripe, paypal)
        finally:
            installation.stop()
            paypal.stop()
