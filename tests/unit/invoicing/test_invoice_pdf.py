"""The invoice as it is sent: the room's template, set by the real typesetter."""

import re
import socket
from datetime import UTC, datetime
from decimal import Decimal
from importlib import resources
from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader

from guilder.domain.invoicing.rules.document import DocumentLine, Party, to_data
from guilder.kernel.noun import replace
from guilder.platform.outside.typeset import Typesetter
from guilder.platform.words import LANGUAGES, Speech
from tests.unit.invoicing.rules.test_document import an_invoice, euros

DATED = datetime(2026, 11, 1, tzinfo=UTC)
TEMPLATE = Path(str(resources.files("guilder.domain.invoicing") / "templates" / "invoice"))
TYPESETTER = Typesetter()


def pages_of(document, language="en"):
    pdf = TYPESETTER.compile_now(TEMPLATE, to_data(document, Speech(language)), dated=DATED)
    return [re.sub(r"\s+", " ", page.extract_text()) for page in PdfReader(BytesIO(pdf)).pages]


LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 60 20"><circle cx="10" cy="10" r="9"/></svg>'


def test_it_names_both_parties_and_says_what_is_owed():
    [page] = pages_of(an_invoice())
    for said in ("Northwind GmbH", "VAT ID: DE1", "HRB 1", "Ada", "INV-1", "Nov 15, 2026", "€107.10", "Page 1 of 1"):
        assert said in page


@pytest.mark.shows("fault H5")
def test_many_lines_flow_over_pages_that_each_repeat_the_header_and_are_counted():
    line = an_invoice().lines[0]
    lines = tuple(replace(line, description=f"Line {number} ends") for number in range(100))
    pages = pages_of(an_invoice(lines=lines))
    assert len(pages) > 2
    for number, page in enumerate(pages, start=1):
        assert f"Page {number} of {len(pages)}" in page
        assert ("Unit price" in page) == ("Scale" in page or "ends" in page)
    assert all(any(line.description in page for page in pages) for line in lines)


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_can_be_set_in_every_language(language):
    assert "INV-1" in pages_of(an_invoice(), language)[0]


@pytest.mark.shows("fault H5", "fault F7", "ASVS 1.2.1")
def test_a_hostile_customer_is_printed_and_not_obeyed():
    name = '#eval("1") <img src=x onerror=alert(1)> {{7*7}} $x$ *b* @ref'
    [page] = pages_of(an_invoice(customer=Party(name, ("#panic()", "=cmd()"), "#sys")))
    for said in name.split():
        assert said in page
    assert "#panic()" in page


def test_a_logo_takes_the_place_of_the_name_at_the_top():
    [plain], [drawn] = pages_of(an_invoice()), pages_of(an_invoice(logo_svg=LOGO))
    assert plain.count("Northwind GmbH") == drawn.count("Northwind GmbH") + 1


@pytest.mark.parametrize("svg", ["", "<svg", "not a drawing", "<svg xmlns='http://www.w3.org/2000/svg'"])
def test_what_is_no_drawing_is_known_before_an_invoice_fails_over_it(svg):
    assert TYPESETTER.can_draw(LOGO)
    assert TYPESETTER.can_draw(svg) == (svg == "")


@pytest.mark.shows("fault H5")
def test_a_drawing_reads_no_file_of_this_machine():
    image = '<image href="file:///etc/hostname" width="9" height="9"/>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{image}</svg>'
    if TYPESETTER.can_draw(svg):
        data = to_data(an_invoice(logo_svg=svg), Speech("en"))
        [page] = PdfReader(BytesIO(TYPESETTER.compile_now(TEMPLATE, data, dated=DATED))).pages
        assert not page.images


REACHING = [
    "file:///etc/passwd",
    "../../../../etc/passwd",
    '<img src="file:///etc/passwd">',
    '<img src="{inside}/">',
    '<link rel="stylesheet" href="{inside}/a.css"><iframe src="{inside}/"></iframe>',
    '#image("/etc/passwd")',
    '#read("/etc/passwd")',
    '#link("{inside}/")[x]',
    '#import "@preview/example:0.1.0": *',
    "\\input{{/etc/passwd}}",
    "url({inside}/x.png)",
]


@pytest.mark.shows("fault H5", "API7", "ASVS 1.3.6", "ASVS 1.3.7")
@pytest.mark.parametrize("text", REACHING)
def test_whatever_a_name_says_nothing_is_read_and_nobody_is_called(text, canary):
    name = text.replace("{inside}", canary.url)
    image = f'<image xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9" xlink:href="{canary.url}/x.png"/>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{image}</svg>'
    hostile = an_invoice(customer=Party(name, (name,), name), logo_svg=svg if TYPESETTER.can_draw(svg) else "")
    shown = " ".join(pages_of(hostile))
    assert "root:" not in shown
    assert "INV-1" in shown
    assert canary.heard() == 0


class Canary:
    """Listens on this machine and counts who comes by."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def heard(self) -> int:
        try:
            caller, _ = self._socket.accept()
        except BlockingIOError:
            return 0
        caller.close()
        return 1

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def canary():
    listening = Canary()
    yield listening
    listening.close()


def test_the_canary_hears_who_comes_by(canary):
    with socket.create_connection(("127.0.0.1", int(canary.url.rpartition(":")[2]))):
        assert canary.heard() == 1


def test_a_very_long_name_and_amount_stay_on_the_page():
    huge = DocumentLine("W" * 400, euros(9_007_199_254_740_993), None, Decimal(10**12), Decimal("0.000000000001"))
    [page, *_] = pages_of(an_invoice(lines=(huge,), customer=Party("Very long name " * 20)))
    assert "€90,071,992,547,409.93" in page


@pytest.mark.shows("fault H5", "LAW immutability")
def test_the_same_invoice_is_the_same_file():
    data = to_data(an_invoice(), Speech("de"))
    assert TYPESETTER.compile_now(TEMPLATE, data, dated=DATED) == Typesetter().compile_now(TEMPLATE, data, dated=DATED)


@pytest.mark.shows("fault H5")
def test_no_template_reaches_for_a_package_of_the_network():
    for template in TEMPLATE.rglob("*.typ"):
        assert "@" not in re.sub(r"//.*", "", template.read_text())
