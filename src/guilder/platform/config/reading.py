"""Settings are read once, and what is wrong with them is said in one sentence that never holds a value."""

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values
from pydantic import ValidationError

from guilder.kernel.errors import Foreseen
from guilder.platform.cards import looks_like_card
from guilder.platform.config.settings import Settings

OWN_PREFIX = "GUILDER_"
# The test suite and the Makefile speak to each other under this one; the product never reads it.
TEST_PREFIX = "GUILDER_TEST_"
# What a command reads by itself (`guilder listen`): no setting, and no misspelt one either.
OF_COMMANDS = frozenset({"GUILDER_API_KEY"})


class BadSettings(Foreseen):
    """The environment cannot be used. Says which variable, and what it should be; never its value."""


def read_settings(*, env_file: Path | None = Path(".env")) -> Settings:
    """Read the environment, and `.env` for what it leaves unset.

    :raises BadSettings: a value cannot be used, or a GUILDER_ name is not one of ours (most likely misspelt)
    """
    from_file = dotenv_values(env_file) if env_file and env_file.is_file() else {}
    _refuse_unknown({**from_file, **os.environ})
    try:
        return Settings(_env_file=env_file)
    except ValidationError as error:
        raise BadSettings(_sentence(error)) from None  # the cause would print the values


def _refuse_unknown(names: Mapping[str, str | None]) -> None:
    known = {field.upper() for field in Settings.model_fields}
    for name in sorted(names.keys() & known):
        if looks_like_card(names[name] or ""):
            raise BadSettings(f"{name} looks like it holds a card number, and those are never taken.")
    for name in sorted(names.keys() - known - OF_COMMANDS):
        if name.startswith(OWN_PREFIX) and not name.startswith(TEST_PREFIX):
            ours = ", ".join(sorted(each for each in known if each.startswith(OWN_PREFIX)))
            raise BadSettings(f"{name} is not a setting of Guilder; the names that begin so are {ours}.")


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    reason = first["msg"].removeprefix("Value error, ")
    return f"{str(first['loc'][0]).upper()}: {reason}." if first["loc"] else f"{reason}."
