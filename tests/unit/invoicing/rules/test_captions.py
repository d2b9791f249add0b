"""What lines are called in words of ours: in the document's language, all of them in each."""

import pytest

from guilder.domain.invoicing.model import Caption, Phrase
from guilder.domain.invoicing.rules.captions import CAPTIONS, written
from guilder.domain.invoicing.rules.explaining.words import phrases, spoken
from guilder.platform.words import LANGUAGES

NAMELESS = {Phrase.PREPAID_CREDITS, Phrase.WITHHELD, Phrase.PAID_TOO_LATE, Phrase.NOT_PAID_IN_TIME}


@pytest.mark.parametrize("language", CAPTIONS)
def test_each_language_has_every_phrase_of_its_own_and_names_what_it_is_about(language):
    said = CAPTIONS[language]
    assert set(said) == set(Phrase)
    assert {phrase for phrase, text in said.items() if "{name}" not in text} == NAMELESS
    assert len(set(said.values())) == len(Phrase)
    if language != "en":
        assert not set(said.values()) & set(CAPTIONS["en"].values())


def test_they_are_the_languages_of_documents_but_one_whose_letters_may_be_missing():
    assert {*CAPTIONS, "ja"} == set(LANGUAGES)


def test_a_caption_is_written_out_in_the_language_of_a_tag_or_in_english():
    caption = Caption(Phrase.UNUSED_TIME, "Pro")
    assert written(caption, "de-AT") == written(caption, "de_CH") == "Nicht genutzte Zeit: Pro"
    assert written(caption, "ja") == written(caption, "tlh") == "Unused time on Pro"


@pytest.mark.parametrize(
    ("tag", "language"), [("deu", "de"), ("fre", "fr"), ("FRA", "fr"), ("nld-BE", "nl"), ("por", "pt")]
)
def test_a_language_may_be_called_by_its_longer_name(tag, language):
    caption = Caption(Phrase.UNUSED_TIME, "Pro")
    assert written(caption, tag) == written(caption, language) != written(caption, "en")
    assert spoken(tag) == tag, "explanations are written in it, too"
    assert phrases(tag) == phrases(language)


def test_a_caption_may_be_about_a_caption():
    late = Caption(Phrase.LATE_USE, "Anfragen")
    assert (
        written(Caption(Phrase.PAID_BY_PREPAID, late), "de") == "Nachgemeldete Nutzung: Anfragen, aus Guthaben bezahlt"
    )


def test_names_that_somebody_chose_are_left_as_they_are():
    assert written("Late use: {name}", "de") == "Late use: {name}"
    assert written(Caption(Phrase.REMAINING_TIME, "{name} {0} |"), "en") == "Remaining time on {name} {0} |"
