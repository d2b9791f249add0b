import asyncio
import re
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader

from guilder.platform.outside.typeset import DATA_BYTES_MAX, CannotTypeset, Typesetter

DATED = datetime(2031, 3, 4, tzinfo=UTC)
UNPRINTABLE = "\U00013000"  # an Egyptian hieroglyph: in no font that a machine for billing has

INERT = [
    '#eval("1") #panic() #sys.inputs',
    "<img src=x onerror=alert(1)>",
    "{{7*7}} {% raw %}",
    "=cmd()|'/C calc'!A0",
    "$x^2$ *bold* _it_ `raw` @ref // gone /* gone */ \\ ~",
    "'; DROP TABLE invoices; --",
    "100%_\\ [a](b) #link",
]


@pytest.fixture(scope="module")
def typesetter():
    return Typesetter()


@pytest.fixture
def template(tmp_path: Path) -> Path:
    (tmp_path / "main.typ").write_text(
        '#let data = json(bytes(sys.inputs.data))\n#set document(date: auto)\n#set text(font: "Inter")\n#data.name'
    )
    return tmp_path


def text_of(pdf: bytes) -> str:
    return re.sub(r"\s+", "", "".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages))


def is_archival(pdf: bytes) -> bool:
    return b"<pdfaid:part>3</pdfaid:part>" in pdf


@pytest.mark.shows("fault H5", "fault F7", "ASVS 1.2.1", "ASVS 1.3.7")
@pytest.mark.parametrize("name", INERT)
def test_data_that_look_like_markup_are_printed_as_they_are(typesetter, template, name):
    assert re.sub(r"\s+", "", name) in text_of(typesetter.compile_now(template, {"name": name}, dated=DATED))


def test_letters_of_our_languages_are_archival_with_the_bundled_fonts(typesetter, template):
    name = "Żółw Größe ç é ñ ão Привет ё €£ •••• « »"
    pdf = typesetter.compile_now(template, {"name": name}, dated=DATED)
    assert re.sub(r"\s+", "", name) in text_of(pdf)
    assert is_archival(pdf)


def test_the_same_data_give_the_same_bytes(template):
    once = Typesetter().compile_now(template, {"name": "Ada"}, dated=DATED)
    assert Typesetter().compile_now(template, {"name": "Ada"}, dated=DATED) == once
    assert Typesetter().compile_now(template, {"name": "Bob"}, dated=DATED) != once
    assert b"2031-03-04" in once


def test_a_letter_that_no_font_has_costs_the_standard_and_not_the_document(typesetter, template):
    pdf = typesetter.compile_now(template, {"name": f"Ada {UNPRINTABLE}"}, dated=DATED)
    assert "Ada" in text_of(pdf)
    assert not is_archival(pdf)
    assert not typesetter.can_print(UNPRINTABLE)
    assert typesetter.can_print("Größe Привет")


def test_control_characters_and_turning_marks_are_left_out(typesetter, template):
    pdf = typesetter.compile_now(template, {"name": "a\x07b\u202ec\x00d"}, dated=DATED)
    assert text_of(pdf) == "abcd"
    assert is_archival(pdf)


@pytest.mark.shows("fault H5")
def test_a_template_reads_no_file_outside_its_folder(typesetter, template):
    (template.parent / "secret.txt").write_text("secret")
    for path in ("../secret.txt", "/etc/hostname"):
        (template / "main.typ").write_text(f'#set document(date: auto)\n#read("{path}")')
        with pytest.raises(CannotTypeset):
            Typesetter().compile_now(template, {}, dated=DATED)


def test_a_mistake_in_a_template_is_told_and_not_papered_over(typesetter, template):
    with pytest.raises(CannotTypeset, match="name"):
        typesetter.compile_now(template, {"other": ""}, dated=DATED)


@pytest.mark.shows("fault H5", "API4")
def test_more_data_than_a_document_can_hold_are_refused(typesetter, template):
    with pytest.raises(CannotTypeset):
        typesetter.compile_now(template, {"name": "x" * DATA_BYTES_MAX}, dated=DATED)


async def test_many_at_once_from_the_event_loop_each_get_their_own(typesetter, template):
    names = [f"customer{number}" for number in range(40)]
    pdfs = await asyncio.gather(*(typesetter.compile(template, {"name": name}, dated=DATED) for name in names))
    assert [text_of(pdf) for pdf in pdfs] == names
