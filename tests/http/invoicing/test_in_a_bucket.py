"""Documents in S3, from the performer that typesets them to the link that the customer follows."""

from datetime import UTC, datetime, timedelta
from io import BytesIO
from urllib.parse import parse_qs, urlsplit

import pytest
import typer
from pypdf import PdfReader

from guilder.domain.invoicing.performers import InvoiceDocuments
from guilder.entrypoints.cli.doctor import doctor
from guilder.entrypoints.storing import refuse_unusable_files
from guilder.kernel import ids
from guilder.platform.config import BadSettings
from guilder.platform.outside.files import FileMissing, FilesUnavailable, open_files
from guilder.platform.outside.intents import Done, Intent
from guilder.platform.outside.typeset import Typesetter
from tests.support.builders.identity import NOW
from tests.support.builders.invoicing import a_line, an_invoice, is_paid_for
from tests.support.ports import free_port
from tests.support.s3 import a_bucket, judged

PATH = "tenants/018f/invoices/inv_1/a.pdf"


@pytest.fixture(scope="module")
def bucket():
    with a_bucket() as bucket:
        yield bucket


@pytest.fixture
def files(bucket):
    return open_files("s3://documents/ours", access=bucket.access())


async def a_link(files, *, minutes=5):
    now = datetime.now(UTC)
    return await files.signed_url(
        PATH, expires_at=now + timedelta(minutes=minutes), now=now, base_url="https://x", key=b"k" * 32
    )


@pytest.mark.shows("ASVS 14.2.1")
async def test_a_paid_invoice_is_stored_in_the_bucket_and_read_by_a_link_that_the_bucket_signed(
    house, ask, open_tx, customer, bucket, files
):
    house.app.state.files = files
    async with open_tx() as tx:
        invoice = await an_invoice(tx, customer, lines=(a_line(1_000),))
        await is_paid_for(tx, invoice)
    performer = InvoiceDocuments(Typesetter(), files)
    intent = Intent(
        tenant_id=invoice.tenant_id, id=ids.new(NOW), kind=performer.kind, destination="files", subject_id=invoice.id,
        step="", attempts=1, fence=1,
    )  # fmt: skip
    async with open_tx() as tx:
        [request] = await performer.load(tx, [intent], now=NOW)
    outcome = await performer.call(intent, request, now=NOW)
    async with open_tx() as tx:
        await performer.record(tx, [Done(intent=intent, request=request, outcome=outcome)], now=NOW)

    answer = await ask("GET", f"/api/invoices/{ids.to_text('inv', invoice.id)}/pdf")
    assert answer.status_code in {302, 303, 307}, answer.text
    link = answer.headers["location"]
    assert link.startswith(f"{bucket.endpoint_url}/documents/ours/tenants/")
    got = bucket.follow(link)
    assert (got.status_code, got.headers["content-type"]) == (200, "application/pdf")
    assert "INV-2026-00001" in PdfReader(BytesIO(got.content)).pages[0].extract_text()


@pytest.mark.shows("ASVS 14.2.1", "ASVS 8.2.2")
async def test_a_link_is_for_one_file_and_ends_when_it_says(bucket, files):
    await files.put(PATH, b"%PDF", content_type="application/pdf")
    link = await a_link(files)
    now = datetime.now(UTC)
    assert bucket.follow(link).content == b"%PDF"
    assert bucket.follow(link, at=now + timedelta(minutes=6)).status_code == 403
    assert judged(link.replace("a.pdf", "b.pdf"), secret=bucket.secret, at=now) == "signature"
    longer = link.replace("X-Amz-Expires=300", "X-Amz-Expires=3000")
    assert longer != link
    assert judged(longer, secret=bucket.secret, at=now) == "signature"
    assert bucket.secret not in link
    assert int(parse_qs(urlsplit(await a_link(files, minutes=60 * 24 * 30)).query)["X-Amz-Expires"][0]) == 7 * 86_400


async def test_what_is_put_is_read_listed_and_removed_under_the_prefix(files):
    await files.put("a/one.txt", b"1", content_type="text/plain")
    assert await files.put_once("a/two.txt", b"2")
    assert await files.get("a/one.txt") == b"1"
    assert await files.names_under("a") == ["a/one.txt", "a/two.txt"]
    assert await files.delete_under("a") == 2
    with pytest.raises(FileMissing):
        await files.get("a/one.txt")


@pytest.mark.parametrize(
    ("where", "over", "sentence"),
    [
        ("s3://documents/ours", {"secret_access_key": "wrong"}, "these credentials may not"),
        ("s3://documents/ours", {"access_key_id": "AKIANOBODY"}, "these credentials may not"),
        ("s3://nobodys", {}, "these credentials may not"),
    ],
)
async def test_credentials_that_may_not_write_stop_the_start_with_a_sentence(bucket, where, over, sentence):
    files = open_files(where, access=bucket.access(**over))
    with pytest.raises(BadSettings, match=sentence) as said:
        await refuse_unusable_files(files, where)
    assert where in str(said.value)
    assert bucket.secret not in str(said.value)


async def test_a_storage_that_is_away_stops_nobody_and_is_said_to_be_away(bucket, monkeypatch, capsys):
    away = bucket.access(endpoint_url=f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr("guilder.entrypoints.storing.TRY_TIMEOUT_S", 0.5)
    await refuse_unusable_files(open_files("s3://documents", access=away), "s3://documents")
    monkeypatch.setattr("guilder.platform.outside.files._RETRIES_MAX", 0)
    with pytest.raises(FilesUnavailable):
        await open_files("s3://documents", access=away).put(PATH, b"x", content_type="text/plain")


async def test_what_is_fine_is_let_be_and_leaves_nothing_behind(bucket, files):
    await refuse_unusable_files(files, "s3://documents/ours")
    assert await files.names_under("trials") == []


@pytest.mark.parametrize(("over", "says"), [({}, False), ({"AWS_SECRET_ACCESS_KEY": "wrong"}, True)])
def test_the_doctor_tries_the_bucket_that_the_settings_name(bucket, monkeypatch, capsys, tmp_path, over, says):
    monkeypatch.chdir(tmp_path)
    for name, value in bucket.environment(**over).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(typer.Exit):
        doctor(config=True)
    assert ("FILES_URL cannot be used: these credentials may not" in capsys.readouterr().out) == says
