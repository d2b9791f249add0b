"""/docs: the document as a page, made here. No script and nothing from elsewhere, so it needs no exception in the CSP."""

import json
import re
from html import escape
from secrets import token_urlsafe
from typing import Any

from starlette.responses import HTMLResponse

from guilder.platform.http.shield import page_headers

_REFERENCE = "#/components/schemas/"

_TEXTS = {"date-time": "instant", "date": "date", "uuid": "UUID", "binary": "file"}
_QUOTED = re.compile(r"`([^`]+)`")
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1d2733;background:#fff;
overflow-wrap:anywhere}
h1{font-size:1.6rem}h2{margin-top:2.5rem;border-bottom:1px solid #d5dce4;text-transform:capitalize}
details{border:1px solid #d5dce4;border-radius:6px;margin:.4rem 0;padding:.4rem .8rem}summary{cursor:pointer}
code,pre{font:13px/1.5 ui-monospace,monospace}b.m{display:inline-block;width:4.5rem;font-size:.8rem;color:#0b5394}
table{border-collapse:collapse;width:100%;table-layout:fixed}
td,th{text-align:left;padding:.2rem .6rem .2rem 0;vertical-align:top}
th:first-child{width:30%}th:nth-child(2){width:4rem}.fields th:nth-child(2){width:30%}a{color:#0b5394}
[id^=schema-]{scroll-margin-top:3.5rem}
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
    schemas = document.get("components", {}).get("schemas", {})
    shapes = "".join(_shape(name, schema) for name, schema in sorted(schemas.items()))
    info = document["info"]
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width"><style nonce="{nonce}">{_STYLE}</style></head><body>'
        f"<h1>{escape(info['title'])} <span class=muted>{escape(info['version'])}</span></h1>"
        f'<p>{escape(info.get("description", ""))} The whole document: <a href="/openapi.json">openapi.json</a>.</p>'
        f'<p>What is sent and answered is described under <a href="#schemas">schemas</a>.</p>'
        f'{body}<h2 id="schemas">schemas</h2>{shapes}</body></html>'
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
    kinds = [_kind(each.get("schema", {})) for each in content.values()]
    return f"<p>body: {', '.join(kinds)}</p>" if kinds else ""


def _answers(operation: dict[str, Any]) -> str:
    statuses: dict[str, list[str]] = {}  # by what is answered: every refusal has one shape
    for status, answer in operation.get("responses", {}).items():
        kinds = [_kind(each["schema"]) for each in answer.get("content", {}).values() if each.get("schema")]
        statuses.setdefault(", ".join(kinds), []).append(f"<code>{escape(status)}</code>")
    parts = [f"{', '.join(each)} {kinds}".rstrip() for kinds, each in statuses.items()]
    return f"<p class=muted>answers: {' · '.join(parts)}</p>"


def _shape(name: str, schema: dict[str, Any]) -> str:
    """Return a model with its fields: it opens when a link leads into it."""
    needed = schema.get("required", ())
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code></td><td>{_kind(each)}</td>"
        f"<td>{'' if field in needed else _default(each)}{_words(each.get('description', ''))}</td></tr>"
        for field, each in schema.get("properties", {}).items()
    )
    table = f"<table class=fields><tr><th>field</th><th>is</th><th></th></tr>{rows}</table>"
    return (
        f'<details><summary><code>{escape(name)}</code></summary><div id="{_anchor(name)}">'
        f"<p>{_words(schema.get('description', ''))}</p>{table if rows else f'<p>{_kind(schema)}</p>'}</div></details>"
    )


def _anchor(name: str) -> str:
    return escape(f"schema-{name}")


def _default(schema: dict[str, Any]) -> str:
    if isinstance(schema.get("default"), (list, dict)) or schema.get("default") in (None, ""):
        return "<span class=muted>may be left out.</span> "
    return f"<span class=muted>by default</span> <code>{escape(json.dumps(schema['default']))}</code>. "


def _kind(schema: dict[str, Any]) -> str:
    """Say what a value is: a link to a model, or its type with its bounds."""
    if reference := schema.get("$ref"):
        name = str(reference).removeprefix(_REFERENCE)
        return f'<a href="#{_anchor(name)}"><code>{escape(name)}</code></a>'
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(_kind(each) for each in choices)
    if "const" in schema or "enum" in schema:
        return ", ".join(f"<code>{escape(str(each))}</code>" for each in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}{_bounds(schema, 'minItems', 'maxItems', 'of them')}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        held = _kind(schema["additionalProperties"])
        return f"map to {held}{_bounds(schema, 'minProperties', 'maxProperties', 'of them')}"
    if kind == "string":
        return (
            f"{_TEXTS.get(schema.get('format', ''), 'text')}{_bounds(schema, 'minLength', 'maxLength', 'characters')}"
        )
    return f"{escape(str(kind))}{_bounds(schema, 'minimum', 'maximum')}"


def _bounds(schema: dict[str, Any], least: str, most: str, of: str = "") -> str:
    low, high = schema.get(least), schema.get(most)
    if high is None:
        words = f"from {low:,.0f}" if low else ""
    else:
        words = f"{low:,.0f} to {high:,.0f}" if low else f"up to {high:,.0f}"
    return f", <span class=muted>{words} {of}".rstrip() + "</span>" if words else ""
