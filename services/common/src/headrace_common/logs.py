"""Structured JSON logs whose fields are an allow-list, so that no secret slips in by accident.

A field that is not in ALLOWED_FIELDS is dropped and its name is reported under `dropped`. Lines
from libraries keep their message template but never its arguments; exceptions keep their type and
where they were raised, never their text, which may quote input (a HeadraceError's text is made for
callers and stays).
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from headrace_common.errors import HeadraceError

ALLOWED_FIELDS = frozenset(
    {
        *("timestamp", "level", "event", "service", "instance", "logger", "dropped", "exception"),
        *("request_id", "method", "path", "status", "duration_ms", "reason", "kind", "code"),
        *("user_id", "organization_id", "credential_id", "event_id", "model", "model_version"),
        *("component", "address", "target", "task", "step", "count", "size_bytes", "seconds"),
        *("peer", "attempt", "revision", "operation", "outcome", "cohort"),
        *("engine", "digest", "slots", "context_tokens"),
    }
)
CHATTY = ("sqlalchemy", "alembic", "httpx", "httpx2", "uvicorn.error", "uvicorn.access", "asyncio")
"""Loggers of libraries that tell nothing below a warning."""

EventDict = MutableMapping[str, Any]
Logger = structlog.typing.FilteringBoundLogger


def configure_logging(
    service: str, instance: str, level: str, stream: TextIO | None = None
) -> None:
    """Send every log line of this process to stdout, or `stream`, as one JSON object."""
    stream = stream or sys.stdout
    always: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: list[Any] = [
        _describe_exception,
        _identify(service, instance),
        drop_unlisted_fields,
        structlog.processors.JSONRenderer(),
    ]
    # Our own lines bypass the standard library, which would double their cost.
    structlog.configure(
        processors=[*always, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_template_only, *always],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)


def get_logger() -> Logger:
    """A logger; bind request-scoped fields with `.bind()`."""
    logger: Logger = structlog.get_logger()
    return logger


def drop_unlisted_fields(_: Any, __: str, event: EventDict) -> EventDict:
    """Keep what the allow-list names; report the names, not the values, of what went."""
    unlisted = sorted(key for key in event if key not in ALLOWED_FIELDS)
    if not unlisted:
        return event
    kept = {key: value for key, value in event.items() if key in ALLOWED_FIELDS}
    kept["dropped"] = unlisted
    return kept


def _identify(service: str, instance: str) -> Any:
    def add(_: Any, __: str, event: EventDict) -> EventDict:
        event["service"] = service
        event["instance"] = instance
        return event

    return add


def _template_only(_: Any, __: str, event: EventDict) -> EventDict:
    record = event["_record"]
    event["event"] = str(record.msg)
    event["logger"] = record.name
    return event


def _describe_exception(_: Any, __: str, event: EventDict) -> EventDict:
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        frames = traceback.extract_tb(error.__traceback__)[-5:]
        where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        event["exception"] = {"type": type(error).__qualname__, "where": where}
        if isinstance(error, HeadraceError):
            event["exception"]["message"] = error.message
    return event
