"""Stories of other pages, told again where everything is spread out: the same functions, another installation."""

import pytest

from tests.scenarios import test_transfers
from tests.scenarios.conftest import SPREAD
from tests.support.processes import Installation
from tests.support.spread import SpreadOut

pytestmark = [*SPREAD, pytest.mark.slow]

PAGES = (test_transfers,)

for page in PAGES:
    globals().update({name: told for name, told in vars(page).items() if name.startswith("test_")})


@pytest.fixture(scope="module")
def installation(spread: SpreadOut) -> Installation:
    return spread
