"""Rating: what a quantity costs by a price model, exactly, with the walk that led there."""

from guilder.domain.catalog.rules.rating.pricing import fee, rate, with_included
from guilder.domain.catalog.rules.rating.rated import Rated, Step, StepKind, exact_text
from guilder.domain.catalog.rules.rating.wording import sentence

__all__ = ["Rated", "Step", "StepKind", "exact_text", "fee", "rate", "sentence", "with_included"]
