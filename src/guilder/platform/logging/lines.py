"""How a line is made, and how everybody's lines (ours, the standard library's, uvicorn's) take the same way."""

import json
import logging
import sys
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Literal, TextIO, cast

import msgspec
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


_stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="at")


def configure(*, level: str = "INFO", style: Style = "json", stream: TextIO | None = None) -> None:
    """Send every line to `stream` (standard output): once, when a process starts. Run uvicorn with log_config=None."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        _stamp,
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
    _short.handler = handler if style == "json" else None
    _short.processors = structlog.get_config()["processors"]
    _short.length = len(_short.processors)
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


def _stamped(said: EventDict) -> EventDict:
    return _stamp(None, "info", said)


class _Short:
    """The shorter way of a line that is written with each request, while everything is as `configure` has left it."""

    handler: "logging.StreamHandler[TextIO] | None" = None
    processors: Sequence[Processor] = ()
    length = 0

    # Whoever listens to lines, or writes them elsewhere, hangs itself in at one of the places that are looked at here.
    def is_hushed(self, logger: logging.Logger) -> bool:
        """Say whether nobody hears what this logger says at INFO."""
        return self._is_as_configured and not logger.isEnabledFor(logging.INFO)

    @property
    def is_open(self) -> bool:
        return self.handler is not None and logging.root.handlers == [self.handler] and self._is_as_configured

    @property
    def _is_as_configured(self) -> bool:
        return 0 < len(self.processors) == self.length and structlog.is_configured()


_short = _Short()


def say(name: str, event: str, **about: Any) -> None:
    """Write a line at INFO as the logger of this name would, at a fraction of the cost: for what every request says."""
    if _short.is_hushed(logging.getLogger(name)):
        return
    if not _short.is_open:
        get(name).info(event, **about)
    else:
        said = _stamped({**about, **structlog.contextvars.get_contextvars(), "logger": name, "level": "info"})
        _write(json.dumps(mask({**said, "event": event})))


class Line:
    """A line that is said again and again, of which only a little is another each time: the rest is made once."""

    def __init__(self, name: str, event: str, **about: Any) -> None:
        self._name, self._event, self._about = name, event, about
        self._logger = logging.getLogger(name)
        self._made = json.dumps(mask({**about, "logger": name, "level": "info", "event": event}))[:-1]

    def say(self, **own: float | str) -> None:
        """Write it at INFO, with what is this one's own: numbers and ids of ours, for nothing in it is masked."""
        if _short.is_hushed(self._logger):
            return
        if not _short.is_open:
            get(self._name).info(self._event, **self._about, **own)
        else:
            _write(f"{self._made}, {msgspec.json.encode(_stamped(own)).decode()[1:]}")


def _write(line: str) -> None:
    handler = _short.handler
    assert handler is not None
    with handler.lock or nullcontext():
        handler.stream.write(f"{line}\n")
        handler.flush()


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
