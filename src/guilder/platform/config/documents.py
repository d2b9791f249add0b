"""The two pages made from the settings themselves, so that they cannot go stale."""

from typing import get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from guilder.platform.config.settings import CHAPTERS, Settings

_ENV_HEAD = """# Every setting of Guilder with its default. None is needed to start: copy to .env and fill in what you use.
# Generated from src/guilder/platform/config/settings.py by scripts/write_settings.py; a test fails where it is stale.
"""

_PAGE_HEAD = """# Settings

Guilder is set by environment variables, or a file `.env` in the folder it is started in; the environment wins.
An empty value is the same as none. None is needed to start.
A wrong value, or a name beginning with `GUILDER_` that is not in this list, stops the start with a sentence naming it.

<!-- Generated from src/guilder/platform/config/settings.py by scripts/write_settings.py; a test fails where it is stale. -->
"""


def env_example(settings: type[Settings]) -> str:
    """Return the text of `.env.example`: every name, commented with what it is for."""
    lines = [_ENV_HEAD]
    for chapter in CHAPTERS:
        lines.append(f"# --- {_title(chapter)} ---\n")
        for name in chapter.model_fields:
            field = settings.model_fields[name]
            lines += [f"# {_about(field)}", f"# {name.upper()}={_default(field)}", ""]
    return "\n".join(lines).rstrip() + "\n"


def settings_page(settings: type[Settings]) -> str:
    """Return the text of `docs/howto/settings.md`: a table for each chapter."""
    lines = [_PAGE_HEAD]
    for chapter in CHAPTERS:
        lines += [f"## {_title(chapter)}\n", "| name | default | what it is for |", "|---|---|---|"]
        for name in chapter.model_fields:
            field = settings.model_fields[name]
            default = f"`{_default(field)}`" if _default(field) else ""
            secret = " *Secret.*" if is_secret(field) else ""
            lines.append(f"| `{name.upper()}` | {default} | {_about(field)}{secret} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _title(chapter: type[BaseModel]) -> str:
    return (chapter.__doc__ or "").strip()


def _about(field: FieldInfo) -> str:
    assert field.description, field
    return field.description


def _default(field: FieldInfo) -> str:
    if field.default in (None, ()):
        return ""
    return str(field.default)


def is_secret(field: FieldInfo) -> bool:
    """Say whether a setting may authenticate or decrypt: it is a SecretStr, whatever else is asked of it."""
    return _holds_secret(field.annotation)


def _holds_secret(kind: object) -> bool:
    return kind is SecretStr or any(map(_holds_secret, get_args(kind)))
