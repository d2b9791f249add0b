"""What the payment page says, a module a language. A language that is not here is spoken to in English."""

from collections.abc import Mapping

from guilder.domain.orders.rules.checkout import State
from guilder.domain.orders.rules.wording import de, en, es, fr, it, ja, nl, pl, pt, ru

_SPOKEN = {"en": en, "de": de, "fr": fr, "es": es, "it": it, "nl": nl, "pt": pt, "pl": pl, "ru": ru, "ja": ja}

# heading, sentence
SAID: Mapping[str, Mapping[State, tuple[str, str]]] = {language: words.SAID for language, words in _SPOKEN.items()}
assert all(set(said) == set(State) for said in SAID.values())

LABELS: Mapping[str, Mapping[str, str]] = {language: words.LABELS for language, words in _SPOKEN.items()}
assert len({frozenset(labels) for labels in LABELS.values()}) == 1
