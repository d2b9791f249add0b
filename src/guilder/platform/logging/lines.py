"""How a line is made, and how everybody's lines (ours, the standard library's, uvicorn's) take the same way."""

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor

from guilder.platform.logging.masking import mask

Style = Literal["json", "console"]

# What they say at INFO repeats our own lines, with URLs whose queries may hold secrets.
_QUIET = ("httpx", "httpcore", "uvicorn.access", "asyncio", "urllib3", "botocore", "watchfiles")
_UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.access")
# Everything below the space, the line separators of Unicode, and what turns writing around.
_CONTROLS = {
    code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}


def configure(*, level: str = "INFO", style: Style = "json", stream: TextIO | None = None) -> None:
    """Send every line to `stream` (standard output): once, when a process starts. Run uvicorn with log_config=None."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _mask_line, *_render(style)],
    )
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _UVICORN:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def get(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module: `log = logging.get(__name__)`; then `log.info("invoice finalized", count=3)`."""
    return structlog.stdlib.get_logger(name)


@contextmanager
def bound(**about: object) -> Iterator[None]:
    """Put request_id, tenant_id, event_id, group … on every line written within."""
    with structlog.contextvars.bound_contextvars(**about):
        yield


def _mask_line(_logger: Any, _method: str, line: EventDict) -> EventDict:
    return cast("EventDict", mask(line))


def _render(style: Style) -> list[Processor]:
    if style == "json":  # in ASCII, JSON escapes every kind of line break and terminal code itself
        return [structlog.processors.JSONRenderer()]
    return [_one_line, structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())]


def _one_line(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape line breaks and terminal codes, so that nothing from outside can pass for a line of ours."""
    trace = line.pop("exception", None)
    safe: MutableMapping[str, Any] = _escaped(line)
    if trace:
        safe["exception"] = "\n".join(f"    | {each.translate(_CONTROLS)}" for each in str(trace).split("\n"))
    return safe


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value.translate(_CONTROLS)
    if isinstance(value, dict):
        return {_escaped(name): _escaped(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_escaped(each) for each in value]
    return value
