"""`guilder work`, where it is asked for a part that is none."""

import pytest
from typer.testing import CliRunner

from guilder.entrypoints.cli import app


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--group", "paymets"), "here is no group paymets; the groups are "),
        (("--only-calls", "--no-calls"), "--only-calls hears nothing"),
        (("--only-calls", "--group", "payments"), "--only-calls hears nothing"),
    ],
)
def test_refuses_a_part_that_would_do_nothing(words: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(app, ["work", *words])
    assert done.exit_code == 1
    assert said in done.stderr
