"""In which words explanations are written.

A language that is not here is answered in English, its amounts and dates too: half a sentence in each helps nobody.
"""

from guilder.domain.invoicing.rules.explaining.phrases import de, en, es, fr, it, ja, nl, pl, pt, ru
from guilder.domain.invoicing.rules.wording import primary_language

FALLBACK = "en"
PHRASES = {
    "en": en.PHRASES,
    "de": de.PHRASES,
    "fr": fr.PHRASES,
    "es": es.PHRASES,
    "it": it.PHRASES,
    "nl": nl.PHRASES,
    "pt": pt.PHRASES,
    "pl": pl.PHRASES,
    "ru": ru.PHRASES,
    "ja": ja.PHRASES,
}


def spoken(language: str) -> str:
    """Return the tag if explanations are written in its language, else English."""
    return language if primary_language(language) in PHRASES else FALLBACK


def phrases(language: str) -> dict[str, str]:
    return PHRASES[primary_language(spoken(language))]
