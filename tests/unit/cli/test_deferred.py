"""The list of commands is there at once, and tells of each what the command tells of itself."""

import socket
import subprocess
import sys
from importlib.metadata import version

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from guilder.entrypoints.cli import app, whole
from guilder.entrypoints.listening import CannotListen, PortTaken, refuse_taken_port
from guilder.platform.config import Settings
from tests.support.ports import free_port

LISTED = get_command(app).commands
HEAVY = ("fastapi", "stripe", "redis", "guilder.domain", "guilder.entrypoints.house")


@pytest.mark.parametrize("name", LISTED)
def test_the_list_says_of_a_command_what_it_says_of_itself(name):
    real = whole().commands[name]
    assert real.name == name
    assert LISTED[name].help == real.help.partition("\n\n")[0].replace("\n", " ").strip()


@pytest.mark.parametrize("words", [[], ["--help"], ["tenatn"], ["tenant", "create", "4242 4242 4242 4242"]])
def test_to_be_told_what_there_is_nobody_waits_for_the_house(words):
    said = f"""
import sys
from typer.testing import CliRunner
from guilder.entrypoints.cli import app
CliRunner().invoke(app, {words})
print([each for each in {HEAVY} if each in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", said], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_a_word_that_is_nearly_a_command_is_answered_with_the_command():
    done = CliRunner().invoke(app, ["tenatn"])
    assert done.exit_code == 2
    assert "Did you mean 'tenant'?" in done.stderr


def test_it_says_which_release_it_is():
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout.strip()) == (0, version("guilder"))


def test_a_port_that_is_taken_and_an_address_of_somebody_else_are_told_apart():
    refuse_taken_port(Settings(host="127.0.0.1", port=free_port()))
    with pytest.raises(CannotListen, match=r"HOST=192\.0\.2\.1 PORT=4000"):
        refuse_taken_port(Settings(host="192.0.2.1", port=4000))


def test_a_taken_port_is_refused_with_the_way_out():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"Port {port} is taken, by another Guilder or another program"):
            refuse_taken_port(Settings(host="127.0.0.1", port=port))
