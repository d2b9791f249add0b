"""Write docs/security/data.md from docs/security/data.csv: every column that says something of somebody, or opens something.

Run it after a change of the list; `--check` says whether the page is fresh. A column that is not in the list fails
tests/house/test_data_classes.py.
"""

import csv
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIST = ROOT / "docs/security/data.csv"
PAGE = ROOT / "docs/security/data.md"

_HEAD = """# What is kept, how it is protected, and for how long

Every column of every table is in [data.csv](data.csv), with its class; a test reads the migrated database and fails at
a column that is not there. This page is written from it by `scripts/write_data_page.py`.

| class | what it is |
|---|---|
| secret | opens something: keys, tokens, passwords |
| personal | says something of a person, or may (what people write, what a product sends along) |
| business | of the tenant itself, printed on its documents or set by its staff |
| word | of a fixed list of ours (kinds, states, currencies, codes), or a name that a provider or our own code made |
| fact | ids, amounts, counts, instants: personal only by the id that leads to a person |

| protection | what it means |
|---|---|
| sealed, subject | AES-256-GCM under a key of the customer's (or the member of staff's) own; destroying that key is the erasure |
| sealed, tenant | the same, under a key of the tenant's |
| sealed, master key | the same, under the master key itself |
| keyed hash | HMAC-SHA-256 under a key derived from the master key, to find a value without storing it |
| clear | as it is: behind row-level security, TLS and the encryption of the disk, and of no other cipher. Each says why |

Each ciphertext is bound to its tenant, table, column and subject: moved elsewhere it does not open. The keys are in
[keys.md](keys.md). Notes and reasons stand in a text column as `sealed:1:` and base64; what was written before that was
sealed is sealed by `guilder master-keys seal`, once every process runs this release.

**No card number.** No column holds one, and none may come in: text of 13 to 19 digits that begin as a card network's do
and whose check digit is right is refused (422 `card_number_refused`) in JSON bodies (keys and numbers too), queries,
paths, the headers that are kept (`Idempotency-Key`, `Guilder-Reason`), arguments of the command line and settings; it
is masked in log lines. Digits of other scripts and any grouping by spaces, dashes, dots and the like are seen through.
What a provider sends (webhooks) is not refused, which would lose a payment, but stored sealed. Measured on 50,000 random
values each, nothing was taken for a card of: UUIDs (of digits alone too), instants in seconds, milliseconds,
microseconds and ISO 8601, ids with a prefix, IBANs in one piece or in fours, telephone numbers behind a plus,
fractions, order numbers of ten digits or of a day and eight digits. Of random numbers of 16 digits that stand alone
3.0 % are (one in ten has a right check digit, and three in ten begin as a network's do), of 19 digits 1.6 %: give such
an id a prefix of letters. Not seen: a number cut over two fields, spelt out, or set apart by other words.

## What opens something, or says something of somebody

| column | class | protection | kept | why in the clear |
|---|---|---|---|---|
"""


def read() -> list[dict[str, str]]:
    with LIST.open(newline="") as file:
        return list(csv.DictReader(file))


def page() -> str:
    rows = read()
    lines = [
        f"| `{row['table']}.{row['column']}` | {row['class']} | {row['protection']} | {row['kept']} | {row['why']} |"
        for row in sorted(rows, key=lambda row: (row["class"] != "secret", row["class"], row["protection"]))
        if row["class"] in {"secret", "personal", "business"}
    ]
    counts = Counter(row["class"] for row in rows)
    tail = f"\nThe other columns: {counts['fact']:,} facts and {counts['word']:,} words, in the list.\n"
    return _HEAD + "\n".join(lines) + "\n" + tail


def main() -> int:
    if "--check" in sys.argv:
        return 0 if PAGE.is_file() and PAGE.read_text() == page() else 1
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
