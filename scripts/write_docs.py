"""Write the documents that are made from the code: docs/flows.md, docs/events/ and docs/security/access.md.

`--check` only says what is stale.
"""

import json
import sys
from pathlib import Path

from fastapi import FastAPI

from guilder.domain.webhooks.rules.wanting import PING
from guilder.entrypoints import mailbox
from guilder.platform.bus import codec
from guilder.wiring import access, published
from guilder.wiring.access.page import page
from guilder.wiring.reactions import REACTION_LIST
from guilder.wiring.routers import ROUTERS

DOCS = Path(__file__).parents[1] / "docs"


def documents() -> dict[Path, str]:
    made = {DOCS / "flows.md": published.flows(list(REACTION_LIST)), DOCS / "security" / "access.md": who_may()}
    schemas = [(each.name, each.version, each.__name__, codec.json_schema(each)) for each in published.event_types()]
    for name, version, title, said in [*schemas, (PING, 1, "WebhookPing", published.ping_schema())]:
        schema = {"$id": f"/events/{name}/v{version}.json", "title": title, **said}
        made[DOCS / "events" / f"{name}.v{version}.json"] = json.dumps(schema, indent=2, sort_keys=True) + "\n"
    return made


def who_may() -> str:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for each in (*ROUTERS, published.router(base_url="http://localhost"), mailbox.router(is_production=False)):
        app.include_router(each)
    return page(app, access.table())


def main() -> int:
    wanted = documents()
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text() != text]
    left_over = [path for path in (DOCS / "events").glob("*.json") if path not in wanted]
    if "--check" in sys.argv:
        for path in [*stale, *left_over]:
            print(f"stale: {path.relative_to(DOCS.parent)} (python scripts/write_docs.py)")
        return 1 if stale or left_over else 0
    (DOCS / "events").mkdir(parents=True, exist_ok=True)
    for path in left_over:
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
