"""What other systems may know of our events: every type with its schema, the topics, and who wakes whom."""

import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib import import_module, metadata
from typing import Any

from fastapi import Request
from starlette.responses import Response

import guilder.domain
from guilder.domain.webhooks.rules.wanting import PING
from guilder.kernel.event import Event
from guilder.platform.bus import codec
from guilder.platform.bus.reactions import Reaction
from guilder.platform.http.router import Router
from guilder.platform.http.shared import shared
from guilder.wiring.topics import CHARGES, REFUSED

ASYNCAPI = "3.0.0"
CLOUD_EVENT = "application/cloudevents+json"
# As /openapi.json names it: another room has a ChargeIn, too.
_CHARGE = "OrdersChargeIn"
_PING_SAYS = "What POST /api/webhook-endpoints/{id}/test sends there; it is on no topic and in no feed."
_TENANT = {"tenant": {"description": "The tenant's short name."}}
VERSION = metadata.version("guilder")


def event_types() -> list[type[Event]]:
    """Return every event that a room announces, by name."""
    for room in pkgutil.iter_modules(guilder.domain.__path__):
        import_module(f"guilder.domain.{room.name}.events")
    return sorted({each for each in _below(Event) if "name" in vars(each)}, key=lambda each: each.name)


def _below(kind: type[Event]) -> Iterator[type[Event]]:
    for each in kind.__subclasses__():
        # `slots=True` makes a dataclass twice, and the first try lives on; only one of both is what its module says.
        module = import_module(each.__module__)
        if getattr(module, each.__name__, None) is each and each.__module__.startswith("guilder.domain."):
            yield each
        yield from _below(each)


def ping_schema() -> dict[str, Any]:
    """Return the schema of the `data` of what tries an endpoint: nothing announces it, and it is sent all the same."""
    return {
        "type": "object",
        "properties": {"endpoint_id": {"type": "string", "format": "uuid"}},
        "required": ["endpoint_id"],
    }


def room_of(event: type[Event]) -> str:
    return event.__module__.split(".")[2]


def asyncapi(*, base_url: str, version: str) -> dict[str, Any]:
    """Describe the topics and the CloudEvents on them as AsyncAPI 3."""
    types = event_types()
    topics = sorted({each.topic for each in types})
    return {
        "asyncapi": ASYNCAPI,
        "info": {
            "title": "Guilder's events",
            "version": version,
            "description": "CloudEvents 1.0 in JSON; events with the same partition key keep their order on a topic.",
        },
        "servers": _servers(base_url),
        "channels": {
            topic: {
                "address": topic,
                "messages": {
                    each.name: {"$ref": f"#/components/messages/{each.name}"} for each in types if each.topic == topic
                },
                **({"parameters": {"gateway": {"description": "The gateway's name."}}} if "{gateway}" in topic else {}),
            }
            for topic in topics
        }
        | _channels_of_tenants(),
        "operations": {
            f"announce {topic}": {"action": "send", "channel": {"$ref": f"#/channels/{_pointer(topic)}"}}
            for topic in topics
        }
        | {
            "take charges": {"action": "receive", "channel": {"$ref": "#/channels/publishedCharges"}},
            "refuse charges": {"action": "send", "channel": {"$ref": "#/channels/refusedCharges"}},
        },
        "components": {
            "messages": {
                each.name: {
                    "name": each.name,
                    "title": each.__name__,
                    "summary": _says(each),
                    "contentType": CLOUD_EVENT,
                    "payload": codec.json_schema(each),
                }
                for each in types
            }
            | _messages_of_tenants(base_url)
            | {PING: {"name": PING, "title": "WebhookPing", "summary": _PING_SAYS, "payload": ping_schema()}}
        },
    }


def _servers(base_url: str) -> dict[str, Any]:
    """Say where events are had. Who the brokers are is not for everybody who may read this page."""
    protocol, _, host = base_url.partition("://")
    return {
        "api": {"host": host, "protocol": protocol, "description": "GET /api/events, and webhooks."},
        "kafka": {
            "host": "{broker}",
            "protocol": "kafka-secure",
            "description": "Where this installation has Kafka; every address is led by KAFKA_TOPIC_PREFIX there.",
            "variables": {"broker": {"description": "Whoever runs this installation knows it: host:port."}},
        },
    }


def _channels_of_tenants() -> dict[str, Any]:
    """Describe the topics that a company product writes to and reads: on Kafka alone, and one tenant's each."""
    return {
        name: {
            "address": f"{topic}.{{tenant}}",
            "messages": {message: {"$ref": f"#/components/messages/{message}"}},
            "parameters": _TENANT,
            "servers": [{"$ref": "#/servers/kafka"}],
        }
        for name, topic, message in (
            ("publishedCharges", CHARGES, "published.charge"),
            ("refusedCharges", REFUSED, "refused.charge"),
        )
    }


def _messages_of_tenants(base_url: str) -> dict[str, Any]:
    reasons = {each: {"type": "string"} for each in ("guilder-reason", "guilder-origin")}
    return {
        "published.charge": {
            "name": "orders.charge.requested",
            "title": "PublishedCharge",
            "summary": "What POST /api/charges takes; structured, or in binary mode with ce_ headers.",
            "contentType": CLOUD_EVENT,
            "payload": {
                "schemaFormat": "application/vnd.oai.openapi+json;version=3.1.0",
                "schema": {"$ref": f"{base_url}/openapi.json#/components/schemas/{_CHARGE}"},
            },
        },
        "refused.charge": {
            "name": "refused.charge",
            "title": "RefusedCharge",
            "summary": "What could not be taken, as it came, and why. Too large, or with a card number in it: without a value.",
            "headers": {"type": "object", "properties": reasons},
            "payload": {},
        },
    }


def router(*, base_url: str) -> Router:
    """Serve the description of our events, as /openapi.json is that of our requests."""
    served = Router(tags=["events"])
    described = cache(lambda: asyncapi(base_url=base_url, version=VERSION))

    @served.get("/asyncapi.json")
    async def describe_events(request: Request) -> Response:
        """Get the topics and the schemas of the events as AsyncAPI 3."""
        return shared(request, described())

    return served


def flows(reactions: list[Reaction]) -> str:
    """Draw who wakes whom, as a page with a Mermaid picture and a table."""
    edges = sorted(
        {(room_of(each.event), each.event.__name__, each.group) for each in reactions if each.event is not Event}
    )
    lines = [
        "# Who wakes whom",
        "",
        "Generated from `wiring/reactions.py` by `python scripts/write_docs.py`; a test says when it is stale.",
        "",
        "```mermaid",
        "flowchart LR",
    ]
    pairs: dict[tuple[str, str], list[str]] = {}
    for room, event, group in edges:
        pairs.setdefault((room, group), []).append(event)
    for (room, group), events in sorted(pairs.items()):
        lines.append(f'    {room} -- "{"<br/>".join(events)}" --> {group.replace(".", "_")}[{group}]')
    lines += ["```", "", "| event | announced by | on topic | heard by |", "|---|---|---|---|"]
    heard: dict[type[Event], list[str]] = {}
    for each in reactions:
        heard.setdefault(each.event, []).append(each.group)
    for event_type in event_types():
        groups = ", ".join(dict.fromkeys(heard.get(event_type, []))) or "nobody yet"
        lines.append(f"| `{event_type.name}` | {room_of(event_type)} | {event_type.topic} | {groups} |")
    return "\n".join(lines) + "\n"


def _says(event: type[Event]) -> str:
    text = (event.__doc__ or "").strip().split("\n")[0]
    return "" if text.startswith(f"{event.__name__}(") else text


def _pointer(topic: str) -> str:
    return topic.replace("~", "~0").replace("/", "~1")
