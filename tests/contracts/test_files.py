"""The port of files, on every store that needs no account, and the links that we seal ourselves."""

import io
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from obstore.store import S3Store

from guilder.platform.outside.files import (
    LINK_LIFETIME_MAX,
    FileMissing,
    Files,
    FilesUnavailable,
    LinkInvalid,
    open_files,
    sign,
    verify,
)

KEY = b"k" * 32
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SOON = NOW + timedelta(minutes=5)
PATH = "tenants/018f-a/invoices/inv_1/0af3.pdf"
ESCAPES = [
    "../x",
    "a/../../x",
    "/etc/passwd",
    "a//b",
    "a/./b",
    ".env",
    "a\\..\\b",
    "a/%2e%2e/b",
    "a\x00b",
    "",
    "a/",
    "é",
    "x" * 600,
]


@pytest.fixture(params=["folder", "file-url", "memory"])
def files(request, tmp_path):
    return open_files(
        {"folder": str(tmp_path / "a"), "file-url": f"file://{tmp_path}/b", "memory": "memory:///"}[request.param]
    )


async def test_what_was_put_is_read_and_put_again_changes_nothing(files):
    for _ in range(2):
        await files.put(PATH, b"%PDF", content_type="application/pdf")
        assert await files.get(PATH) == b"%PDF"


async def test_what_is_not_there_is_missing(files):
    with pytest.raises(FileMissing):
        await files.get(PATH)


async def test_what_is_too_large_to_be_held_is_put_in_parts(files):
    content = io.BytesIO(b"x" * 12_000_000)
    await files.put_stream("tenants/a/exports/x1/export.zip", content, content_type="application/zip")
    assert len(await files.get("tenants/a/exports/x1/export.zip")) == 12_000_000


async def test_what_is_removed_is_gone_and_nothing_beside_it(files):
    kept = ("tenants/a/invoices/12/b.pdf", "tenants/b/invoices/1/a.pdf")
    for path in ("tenants/a/invoices/1/a.pdf", "tenants/a/invoices/1/v2/a.pdf", *kept):
        await files.put(path, b"%PDF", content_type="application/pdf")
    assert await files.delete_under("tenants/a/invoices/1") == 2
    assert await files.delete_under("tenants/a/invoices/1") == 0
    assert [await files.get(path) for path in kept] == [b"%PDF"] * 2
    for _ in range(2):
        await files.delete(kept[0])
    with pytest.raises(FileMissing):
        await files.get(kept[0])


@pytest.mark.shows("fault H5", "ASVS 5.3.2", "ASVS 1.3.3")
@pytest.mark.parametrize("path", ESCAPES)
async def test_a_path_cannot_leave_the_store(files, path):
    with pytest.raises(FileMissing):
        await files.put(path, b"x", content_type="text/plain")
    with pytest.raises(FileMissing):
        await files.get(path)
    with pytest.raises(FileMissing):
        sign(path, expires_at=SOON, key=KEY)


async def test_a_folder_s_link_is_ours_and_names_the_file(files):
    link = await files.signed_url(PATH, expires_at=SOON, now=NOW, base_url="https://pay.example/files/", key=KEY)
    base, _, token = link.rpartition("/")
    assert base == "https://pay.example/files"
    assert verify(token, now=NOW, key=KEY) == PATH


@pytest.mark.shows("fault H5")
async def test_a_link_lives_a_week_at_most(files):
    link = await files.signed_url(PATH, expires_at=NOW + timedelta(days=400), now=NOW, base_url="https://x", key=KEY)
    token = link.rpartition("/")[2]
    assert verify(token, now=NOW + LINK_LIFETIME_MAX - timedelta(seconds=1), key=KEY)
    with pytest.raises(LinkInvalid):
        verify(token, now=NOW + LINK_LIFETIME_MAX, key=KEY)


async def test_a_bucket_signs_its_own_links():
    store = S3Store("books", region="eu-central-1", access_key_id="AK", secret_access_key="SK")
    files = Files(store)
    assert not files.is_served_by_us
    link = urlsplit(await files.signed_url(PATH, expires_at=SOON, now=NOW, base_url="https://x", key=KEY))
    assert link.path.endswith(PATH)
    assert parse_qs(link.query)["X-Amz-Expires"] == ["300"]


@pytest.mark.shows("fault J6", "I29", "ASVS 16.5.2")
async def test_a_store_that_does_not_answer_is_unavailable_and_tells_no_secret():
    store = S3Store(
        "books",
        region="eu-central-1",
        access_key_id="AK",
        secret_access_key="SECRET",
        endpoint="http://127.0.0.1:1",
        client_options={"allow_http": True, "timeout": "1s"},
        retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=1)},
    )
    with pytest.raises(FilesUnavailable) as refused:
        await Files(store).put(PATH, b"x", content_type="text/plain")
    assert "SECRET" not in str(refused.value)
    assert "127.0.0.1" not in str(refused.value)


@pytest.mark.shows("fault H5")
def test_a_link_ends_when_it_says():
    token = sign(PATH, expires_at=SOON, key=KEY)
    assert verify(token, now=SOON - timedelta(seconds=1), key=KEY) == PATH
    with pytest.raises(LinkInvalid, match="expired"):
        verify(token, now=SOON, key=KEY)


@pytest.mark.shows("fault H5", "fault G3", "ASVS 8.4.1", "I28")
def test_a_link_of_one_tenant_opens_nothing_of_another():
    mine = sign("tenants/a/x.pdf", expires_at=SOON, key=KEY)
    theirs = sign("tenants/b/x.pdf", expires_at=SOON, key=b"q" * 32)
    forged = theirs.split(".")[0] + "." + mine.split(".")[1]
    for token in (forged, theirs):
        with pytest.raises(LinkInvalid):
            verify(token, now=NOW, key=KEY)


@pytest.mark.shows("fault H5")
def test_a_link_changed_in_any_one_letter_is_refused():
    token = sign(PATH, expires_at=SOON, key=KEY)
    for at in range(len(token)):
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        try:
            # The last letter of base64 has bits that mean nothing: what is still accepted must be the very same link.
            assert verify(changed, now=NOW, key=KEY) == PATH
        except LinkInvalid:
            continue
        assert at in {token.index(".") - 1, len(token) - 1}


@pytest.mark.parametrize("token", ["", ".", "a", "a.b", "a.b.c", "é.b", "a" * 5000, "=.=", "YQ.YQ"])
def test_nonsense_is_refused_and_never_an_error(token):
    with pytest.raises(LinkInvalid):
        verify(token, now=NOW, key=KEY)
