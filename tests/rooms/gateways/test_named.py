"""Accounts that the environment names: connected once, by however many processes, and renewed with their key."""

import asyncio

import pytest

from guilder.domain.gateways import service as gateways
from guilder.domain.identity.model import Mode
from guilder.entrypoints.paying import named, refuse_other_mode
from guilder.platform.config import BadSettings, Settings

SAID = {"gateway": "stripe", "name": "Stripe", "settings": {"mode": "test"}, "provider_account": ""}


async def connect(till, key, **over):
    async with till.tx() as tx:
        return await gateways.connect_named(tx, secret_key=key, now=till.now, **{**SAID, **over})


async def stripes(till):
    async with till.tx() as tx:
        return [each for each in await gateways.open_accounts(tx) if each.account.gateway == "stripe"]


async def test_ten_processes_connect_it_once(till):
    made = await asyncio.gather(*[connect(till, "sk_test_one") for _ in range(10)])
    assert len({each.id for each in made}) == 1
    [only] = await stripes(till)
    assert only.secret_key == "sk_test_one"
    async with till.database.transaction(actor="test") as tx:
        found = await gateways.find_endpoint(tx, gateway="stripe", endpoint_id=None)
    assert found is not None
    assert found.id == made[0].id


async def test_a_changed_key_is_used_and_an_unchanged_one_changes_nothing(till):
    await connect(till, "sk_test_one", endpoint_secret="whsec_given")
    [given] = await stripes(till)
    assert (given.endpoint_secret, given.account.registered_at) == ("whsec_given", till.now)
    await connect(till, "sk_test_two")
    [renewed] = await stripes(till)
    assert (renewed.secret_key, renewed.endpoint_secret) == ("sk_test_two", "whsec_given")
    await connect(till, "sk_test_two", endpoint_secret="whsec_other")
    [rolled] = await stripes(till)
    assert (rolled.secret_key, rolled.endpoint_secret) == ("sk_test_two", "whsec_other")


def test_the_environment_names_what_it_has_keys_for():
    settings = Settings(
        stripe_secret_key="sk_test_1",
        stripe_webhook_secret="whsec_1",
        paypal_client_id="app",
        paypal_client_secret="secret",
    )
    assert [(each.gateway, each.endpoint_secret, each.settings) for each in named(settings)] == [
        ("stripe", "whsec_1", {}),
        ("paypal", "", {"client_id": "app", "environment": "sandbox"}),
    ]
    assert named(Settings(paypal_client_id="app")) == []
    assert "sk_test_1" not in repr(named(settings))


@pytest.mark.parametrize(("mode", "tenant"), [("test", Mode.LIVE), ("live", Mode.TEST)])
def test_a_key_of_the_other_kind_is_refused_by_its_variable(mode, tenant):
    with pytest.raises(BadSettings, match="STRIPE_SECRET_KEY"):
        refuse_other_mode("STRIPE_SECRET_KEY", mode=mode, tenant_mode=tenant)
