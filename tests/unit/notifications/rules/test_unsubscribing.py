"""The page behind an unsubscribe link speaks every language that documents are in."""

import pytest

from guilder.domain.notifications.model import Group
from guilder.domain.notifications.rules.unsubscribing import WORDS
from guilder.platform.words import LANGUAGES

CHOICES = set(Group) - {Group.REQUIRED}


def test_it_is_there_in_every_language():
    assert set(WORDS) == set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_names_each_sort_of_mail_in_its_question_and_its_answer(language):
    words = WORDS[language]
    assert set(words) == {*CHOICES, "ask", "done", "rest", "button", "unknown"}
    asked = {words[key].format(words[group]) for key in ("ask", "done") for group in CHOICES}
    assert len(asked) == 6
    assert not any("{" in said for said in asked)
