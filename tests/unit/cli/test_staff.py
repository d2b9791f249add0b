"""A local administrator in a minute: typed on a real database."""

import re

import pytest
from typer.testing import CliRunner

from guilder.entrypoints.cli import app

PASSWORD = "correct horse battery staple"


@pytest.fixture
def type_(database_urls, clean, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GUILDER_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DATABASE_URL", database_urls.app)
    monkeypatch.setenv("DATABASE_OWNER_URL", database_urls.owner)
    monkeypatch.setenv("DATABASE_DOCTOR_URL", database_urls.doctor)

    def typed(*words: str, said: str = "", refused: bool = False) -> str:
        done = CliRunner().invoke(app, list(words), input=said)
        assert done.exit_code == (1 if refused else 0), (words, done.output, done.exception)
        return done.stderr if refused else done.stdout

    typed("tenant", "create", "default")
    return typed


@pytest.mark.shows("ASVS 6.3.2", "PCI 2.2.2")
def test_nobody_is_there_before_somebody_is_invited(type_):
    assert "nobody yet" in type_("staff", "list")
    assert "Nobody is signed in" in type_("staff", "sessions")


def test_an_administrator_is_there_in_a_minute(type_):
    said = type_("staff", "invite", "ana@acme.example", "--role", "admin", "--stdin", said=f"{PASSWORD}\n")
    assert "ana@acme.example is admin of default" in said
    assert PASSWORD not in said
    type_("staff", "invite", "bob@acme.example", "--no-password")
    listed = type_("staff", "list")
    assert re.search(r"ana@acme\.example +admin +password +mem_", listed)
    assert re.search(r"bob@acme\.example +member +not yet +mem_", listed)
    type_("staff", "password", "bob@acme.example", "--stdin", said="another horse, another staple\n")
    assert re.search(r"bob@acme\.example +member +password", type_("staff", "list"))
    type_("staff", "remove", "bob@acme.example")
    assert "bob@" not in type_("staff", "list")


def test_what_cannot_be_is_told_in_one_sentence(type_):
    cases = [
        (("invite", "nobody", "--stdin"), PASSWORD, "e-mail"),
        (("invite", "ana@acme.example", "--stdin"), "short\n", "12 to 128"),
        (("invite", "ana@acme.example", "--stdin"), "password1234\n", "first that anybody would try"),
        (("invite", "ana@acme.example"), PASSWORD, "--stdin"),
        (("password", "ana@acme.example", "--stdin"), f"{PASSWORD}\n", "Nobody of the staff"),
        (("remove", "ana@acme.example"), "", "Nobody of the staff"),
        (("sessions", "--end", "x"), "", "no id of a session"),
    ]
    for words, said, why in cases:
        told = type_("staff", *words, said=said, refused=True)
        assert why in told, words
        assert told.count("\n") == 1, words
    assert "nobody yet" in type_("staff", "list")
