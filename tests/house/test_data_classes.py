"""Every column of every table is classified, and protected as its class asks. Asked of the migrated database."""

import pytest
from scripts.write_data_page import PAGE, page, read

from tests.support.database import connected

CLASSES = {"secret", "personal", "business", "word", "fact"}
PROTECTIONS = {
    "clear", "sealed, subject", "sealed, tenant", "sealed, master key", "keyed hash", "wrapped by a KMS", "argon2id",
    "SHA-256 of 256 random bits",
}  # fmt: skip
_COLUMNS = """
    select n.nspname || '.' || c.relname as "table", a.attname as column, format_type(a.atttypid, null) as type
      from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p') and not c.relispartition and a.attnum > 0 and not a.attisdropped
       and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'"""


@pytest.fixture(scope="module")
async def columns(database_urls) -> dict[tuple[str, str], str]:
    async with connected(database_urls.admin) as admin:
        return {(row["table"], row["column"]): row["type"] for row in await admin.fetch(_COLUMNS)}


@pytest.mark.shows("ASVS 14.1.1", "ASVS 14.1.2")
async def test_every_column_is_classified_and_none_is_that_is_not_there(columns):
    listed = {(row["table"], row["column"]) for row in read()}
    new, gone = sorted(columns.keys() - listed), sorted(listed - columns.keys())
    assert not new, f"classify in docs/security/data.csv: {new}"
    assert not gone, f"no longer there, but in docs/security/data.csv: {gone}"


def test_each_is_classified_once_in_words_that_are_explained():
    rows = read()
    assert len({(row["table"], row["column"]) for row in rows}) == len(rows)
    assert {row["class"] for row in rows} <= CLASSES
    assert {row["protection"] for row in rows} <= PROTECTIONS
    assert all(row["kept"] for row in rows)


@pytest.mark.shows("ASVS 11.3.2")
def test_no_secret_is_in_the_clear_and_each_personal_column_that_is_says_why():
    for row in read():
        name = f"{row['table']}.{row['column']}"
        if row["class"] == "secret":
            assert row["protection"] != "clear", name
        if row["class"] in {"personal", "business"} and row["protection"] == "clear":
            assert row["why"], f"{name}: say why it is in the clear"


async def test_what_is_called_sealed_is_classified_as_sealed_and_a_text_is_no_fact(columns):
    for row in read():
        name, kind = f"{row['table']}.{row['column']}", columns.get((row["table"], row["column"]), "")
        if row["column"].startswith("sealed_"):
            assert row["protection"].startswith("sealed"), name
        if kind in {"text", "jsonb", "text[]"}:
            assert row["class"] != "fact", f"{name} is a text: is it a word of ours, or somebody's?"


def test_the_page_is_fresh():
    assert PAGE.read_text() == page(), "docs/security/data.md is stale: scripts/write_data_page.py writes it anew"
