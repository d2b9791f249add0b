"""A copy of the nurse is a process like any other: with its own words, environment, log, end and death."""

import os
import signal
import sys

import pytest

from tests.support import nursery
from tests.support.nursery import Child, born


@pytest.fixture
def nurse(monkeypatch):
    monkeypatch.setattr(nursery, "_copies", lambda: True)
    return lambda *words, log, **environment: born(
        [sys.executable, "-m", *words], {"PATH": os.environ["PATH"], **environment}, log
    )


def test_a_copy_says_its_words_into_its_log_and_how_it_ended_is_known(nurse, tmp_path):
    refused = nurse("guilder", "no-such-command", log=tmp_path / "log")
    assert isinstance(refused, Child)
    assert refused.wait(120) == 2
    assert "no-such-command" in (tmp_path / "log").read_text()
    told = nurse("guilder", "--version", log=tmp_path / "version")
    assert (told.wait(120), told.pid != refused.pid) == (0, True)


def test_a_copy_has_no_environment_but_its_own_and_can_be_killed(nurse, tmp_path):
    served = nurse("simulated_provider", "--port", "0", "--data", str(tmp_path), log=tmp_path / "log", ONLY="this")
    assert os.getsid(served.pid) == served.pid, "it leads a session of its own"
    assert served.poll() is None
    served.kill()
    assert served.wait(120) == -signal.SIGKILL
