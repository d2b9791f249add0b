"""The simulated provider as a process, and an account of a tenant's at it."""

import secrets
from typing import Any

from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.model import GatewayAccount
from guilder.platform.db.tx import Tx
from tests.support.builders.identity import NOW


async def a_gateway(tx: Tx, **over: Any) -> GatewayAccount:
    """Connect the tenant's account at the simulated provider: `account` is what it is called there."""
    name = over.pop("account", None) or f"shop_{secrets.token_hex(8)}"
    said = {"gateway": "simulated", "name": "Simulated", "is_default": True, "now": NOW}
    return await gateways.connect(tx, secret_key=f"sk_sim_{name}", provider_account=name, **{**said, **over})
