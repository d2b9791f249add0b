"""/docs: the document as a page, made here. No script and nothing from elsewhere, so it needs no exception in the CSP."""

import re
from html import escape
from secrets import token_urlsafe
from typing import Any

from starlette.responses import HTMLResponse

from guilder.platform.http.shield import page_headers

_QUOTED = re.compile(r"`([^`]+)`")
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1d2733;background:#fff;
overflow-wrap:anywhere}
h1{font-size:1.6rem}h2{margin-top:2.5rem;border-bottom:1px solid #d5dce4;text-transform:capitalize}
details{border:1px solid #d5dce4;border-radius:6px;margin:.4rem 0;padding:.4rem .8rem}summary{cursor:pointer}
code,pre{font:13px/1.5 ui-monospace,monospace}b.m{display:inline-block;width:4.5rem;font-size:.8rem;color:#0b5394}
table{border-collapse:collapse;width:100%;table-layout:fixed}
td,th{text-align:left;padding:.2rem .6rem .2rem 0;vertical-align:top}
th:first-child{width:30%}th:nth-child(2){width:4rem}
.muted{color:#5b6876}
"""


def page(document: dict[str, Any]) -> HTMLResponse:
    nonce = token_urlsafe(16)
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            group = (operation.get("tags") or ["other"])[0]
            groups.setdefault(group, []).append(_operation(method.upper(), path, operation))
    body = "".join(f"<h2>{escape(name)}</h2>{''.join(entries)}" for name, entries in sorted(groups.items()))
    info = document["info"]
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width"><style nonce="{nonce}">{_STYLE}</style></head><body>'
        f"<h1>{escape(info['title'])} <span class=muted>{escape(info['version'])}</span></h1>"
        f'<p>{escape(info.get("description", ""))} The whole document: <a href="/openapi.json">openapi.json</a>.</p>'
        f"{body}</body></html>"
    )
    return HTMLResponse(html, headers=page_headers(nonce=nonce))


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    needs = operation.get("x-guilder-permission")
    who = "" if needs is None else f"<p class=muted>scope <code>{escape(needs['scope'])}</code>{_roles(needs)}</p>"
    rows = "".join(
        f"<tr><td><code>{escape(each['name'])}</code></td><td>{escape(each['in'])}</td>"
        f"<td>{_words(each.get('description', ''))}</td></tr>"
        for each in operation.get("parameters", [])
    )
    table = f"<table><tr><th>parameter</th><th>in</th><th></th></tr>{rows}</table>" if rows else ""
    return (
        f"<details><summary><b class=m>{escape(method)}</b> <code>{escape(path)}</code> "
        f"<span class=muted>{escape(operation.get('summary', ''))}</span></summary>"
        f"<p>{_words(operation.get('description', ''))}</p>{who}{table}{_body(operation)}{_answers(operation)}</details>"
    )


def _words(text: str) -> str:
    """Return a description with what it quotes in backticks set as code."""
    return _QUOTED.sub(r"<code>\1</code>", escape(text))


def _roles(needs: dict[str, Any]) -> str:
    parts = [f"{kind}: {needs[kind]} or above" for kind in ("tenant", "customer") if needs[kind]]
    return escape(" · " + " · ".join(parts)) if parts else ""


def _body(operation: dict[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    names = [_name(each.get("schema", {})) for each in content.values()]
    return f"<p>body: <code>{escape(', '.join(names))}</code></p>" if names else ""


def _answers(operation: dict[str, Any]) -> str:
    parts = []
    for status, answer in operation.get("responses", {}).items():
        names = [_name(each.get("schema", {})) for each in answer.get("content", {}).values()]
        parts.append(f"<code>{escape(status)} {escape(', '.join(filter(None, names)))}</code>")
    return f"<p class=muted>answers: {' · '.join(parts)}</p>"


def _name(schema: dict[str, Any]) -> str:
    return str(schema.get("$ref", schema.get("title", schema.get("type", "")))).rpartition("/")[2]
