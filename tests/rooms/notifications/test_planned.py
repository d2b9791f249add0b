"""What is planned is told as it will be, and again when it becomes something else."""

from datetime import timedelta

import pytest

from guilder.domain.catalog.model import Collection
from guilder.domain.gateways.model import CardDetails, Outcome, OutcomeKind, RequestKind
from guilder.domain.notifications import handlers
from guilder.domain.notifications import service as notifications
from guilder.domain.notifications.model import Ceiling, Limits
from guilder.domain.payments import service as payments
from guilder.domain.payments.events import PaymentMethodAdded, PaymentMethodExpiring
from guilder.domain.payments.model import Answer
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.events import (
    SubscriptionChangeScheduled,
    SubscriptionRenewalUpcoming,
    SubscriptionResumed,
    TrialEnding,
)
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from tests.support.builders.catalog import a_plan
from tests.support.builders.entitlements import about, heard
from tests.support.builders.gateways import a_gateway
from tests.support.builders.identity import NOW
from tests.support.builders.subscriptions import a_subscription, terms_of

DAY = timedelta(days=1)


async def test_a_trial_that_is_put_off_is_announced_again(ground):
    async with ground.tx() as tx:
        trial = await a_subscription(tx, ground.customer, await a_plan(tx), trial_days=14)
    await ground.hear(handlers.on_trial_ending, about(TrialEnding, trial, days_left=3, ends_at=trial.trial_ends_at))
    until = trial.trial_ends_at + 7 * DAY
    async with ground.tx() as tx:
        longer = await subscriptions.extend_trial(tx, ref=trial.ref, until=until, now=NOW + 12 * DAY)
    again = about(TrialEnding, longer, days_left=3, ends_at=until)
    await ground.hear(handlers.on_trial_ending, again, again)
    assert [mail["Subject"].partition(" ends ")[2] for mail in ground.inbox.mails] == [
        "on Mar 15, 2026",
        "on Mar 22, 2026",
    ]


def text_of(mail):
    return mail.get_body(("plain",)).get_content()


async def planned(ground, *, price=9900, at=None, **over):
    """A subscription for 30.00, and what it is to cost from `at` on, or from the next period on."""
    async with ground.tx() as tx:
        plan = await a_plan(tx, name="Pro")
        made = await a_subscription(tx, ground.customer, plan, **over)
        terms = terms_of(plan, unit_amount=Money(price, "EUR"), plan_name="Business")
        at = at and at(made.current_period.ends_at)
        changed = await subscriptions.change(tx, ref=made.ref, terms=terms, at=at, at_period_end=at is None, now=NOW)
        return changed.after


@pytest.mark.parametrize(
    ("at", "price", "said"),
    [
        (None, 9900, "Business €99.00"),
        (lambda end: end, 9900, "Business €99.00"),
        (lambda end: end - DAY, 9900, "Business €99.00"),
        (lambda end: end + DAY, 9900, "Pro €30.00"),
        (lambda end: end + DAY, 0, "Pro €30.00"),
    ],
)
async def test_a_renewal_names_the_price_of_the_day_on_which_it_comes(ground, at, price, said):
    renews = await planned(ground, price=price, at=at, is_active=True)
    upcoming = {"days_left": 3, "renews_at": renews.current_period.ends_at}
    await ground.hear(handlers.on_subscription_renewal_upcoming, about(SubscriptionRenewalUpcoming, renews, **upcoming))
    [mail] = ground.inbox.mails
    name, amount = said.split()
    assert mail["Subject"].startswith(f"{name} renews")
    assert f"Price: {amount}" in text_of(mail)


async def test_the_end_of_a_trial_names_the_price_of_what_comes_then(ground):
    trial = await planned(ground, trial_days=14)
    await ground.hear(handlers.on_trial_ending, about(TrialEnding, trial, days_left=3, ends_at=trial.trial_ends_at))
    [mail] = ground.inbox.mails
    assert "Price: €99.00" in text_of(mail)


async def test_what_ends_or_pauses_within_its_period_is_not_said_to_renew(ground):
    async with ground.tx() as tx:
        s = await a_subscription(tx, ground.customer, await a_plan(tx), is_active=True)
        end = s.current_period.ends_at
        leaving = (await subscriptions.cancel(tx, ref=s.ref, at_period_end=False, at=end, now=NOW)).after
    period = {"period_starts_at": leaving.current_period.starts_at, "period_ends_at": end}
    await ground.hear(handlers.on_subscription_resumed, about(SubscriptionResumed, leaving, **period))
    [mail] = ground.inbox.mails
    assert "Renews on" not in text_of(mail)


async def test_a_change_that_is_wished_for_again_is_announced_again_and_of_a_wish_that_is_over_nothing(ground):
    async with ground.tx() as tx:
        plan = await a_plan(tx, name="Pro")
        s = await a_subscription(tx, ground.customer, plan, is_active=True)
    wished = []
    for name, days in (("Business", 0), ("Basic", 5), ("Business", 0)):
        async with ground.tx() as tx:
            at = s.current_period.ends_at + days * DAY
            terms = terms_of(plan, plan_name=name)
            after = (await subscriptions.change(tx, ref=s.ref, terms=terms, at=at, now=NOW)).after
        wished.append(about(SubscriptionChangeScheduled, after, takes_effect_at=at))
        if name == "Business":
            await ground.hear(handlers.on_subscription_change_scheduled, *wished, wished[-1])
    assert [mail["Subject"].partition(",")[0] for mail in ground.inbox.mails] == ["From Apr 1"] * 2
    assert all("Business" in mail["Subject"] for mail in ground.inbox.mails)


async def test_the_same_change_asked_for_twice_is_announced_once(ground):
    async with ground.tx() as tx:
        plan = await a_plan(tx, name="Pro")
        s = await a_subscription(tx, ground.customer, plan, is_active=True)
    for more in ({"at_period_end": True}, {"at_period_end": True}, {"at": s.current_period.ends_at}):
        async with ground.tx() as tx:
            await subscriptions.change(tx, ref=s.ref, terms=terms_of(plan, plan_name="Business"), **more, now=NOW)
            planned = [each.event for each in tx.outbox if isinstance(each.event, SubscriptionChangeScheduled)]
        await ground.hear(handlers.on_subscription_change_scheduled, *map(heard, planned))
    assert len(ground.inbox.mails) == 1


async def test_of_changes_that_waited_to_be_announced_the_last_one_is(ground):
    async with ground.tx() as tx:
        plan = await a_plan(tx, name="Pro")
        made = [await a_subscription(tx, ground.customer, plan, is_active=True) for _ in range(2)]
    waiting = []
    for s, name in ((made[0], "Basic"), (made[1], "Basic"), (made[0], "Business")):
        async with ground.tx() as tx:
            terms = terms_of(plan, plan_name=name)
            after = (await subscriptions.change(tx, ref=s.ref, terms=terms, at_period_end=True, now=NOW)).after
        planned = about(SubscriptionChangeScheduled, after, takes_effect_at=after.current_period.ends_at)
        async with ground.tx() as tx:
            await handlers.on_subscription_change_scheduled(tx, [planned], now=NOW)
            waiting += [heard(each.event) for each in tx.outbox]
    await ground.hear(handlers.on_notification_requested, *waiting)
    assert sorted(mail["Subject"].split()[4].strip(",") for mail in ground.inbox.mails) == ["Basic", "Business"]


async def test_a_change_that_waited_is_announced_where_the_message_after_it_was_not_to_be_sent(ground):
    async with ground.tx() as tx:
        plan = await a_plan(tx, name="Pro")
        s = await a_subscription(tx, ground.customer, plan, is_active=True)
    waiting = []
    for name, a_day in (("Basic", None), ("Business", 0)):
        async with ground.tx() as tx:
            limits = Limits(tenant_id=ground.tenant_id, emails=Ceiling(per_day=a_day))
            await notifications.set_limits(tx, limits=limits, now=NOW)
            after = (
                await subscriptions.change(
                    tx, ref=s.ref, terms=terms_of(plan, plan_name=name), at_period_end=True, now=NOW
                )
            ).after
        planned = about(SubscriptionChangeScheduled, after, takes_effect_at=after.current_period.ends_at)
        async with ground.tx() as tx:
            await handlers.on_subscription_change_scheduled(tx, [planned], now=NOW)
            waiting += [heard(each.event) for each in tx.outbox]
    await ground.hear(handlers.on_notification_requested, waiting[1])
    assert ground.inbox.mails == []
    async with ground.tx() as tx:
        await notifications.set_limits(tx, limits=Limits(tenant_id=ground.tenant_id), now=NOW)
    await ground.hear(handlers.on_notification_requested, waiting[0])
    assert ["Business" in mail["Subject"] for mail in ground.inbox.mails] == [True]


async def a_card(ground, last4):
    return await saved(ground, CardDetails(token=f"pm_{last4}", brand="visa", last4=last4, exp_month=12, exp_year=2034))


async def saved(ground, method):
    async with ground.tx() as tx:
        made = await payments.add_method(tx, customer_id=ground.customer.id, token=method.token, now=NOW)
        yes = Outcome(kind=OutcomeKind.SUCCEEDED, card=method)
        answer = Answer(
            tenant_id=made.tenant_id, business_key=made.business_key, kind=RequestKind.SETUP, outcome=yes, at=NOW
        )
        await payments.record_setups(tx, answers=[answer], now=NOW)
        return made


async def test_a_renewal_names_the_card_that_will_be_charged(ground):
    async with ground.tx() as tx:
        await a_gateway(tx)
    cards = [await a_card(ground, last4) for last4 in ("1111", "2222")]
    async with ground.tx() as tx:
        await payments.set_default_method(tx, method_id=cards[1].id, customer_id=ground.customer.id, now=NOW)
        plan = await a_plan(tx)
        made = {"payment_method_id": cards[0].id, "is_active": True}
        renewing = [await a_subscription(tx, ground.customer, plan, **more) for more in (made, {"is_active": True})]
    for each in renewing:
        upcoming = {"days_left": 3, "renews_at": each.current_period.ends_at}
        await ground.hear(
            handlers.on_subscription_renewal_upcoming, about(SubscriptionRenewalUpcoming, each, **upcoming)
        )
    assert ["1111" in text_of(mail) for mail in ground.inbox.mails] == [True, False]
    assert ["2222" in text_of(mail) for mail in ground.inbox.mails] == [False, True]


@pytest.mark.parametrize("price", [3000, 0])
async def test_who_is_sent_invoices_is_not_told_of_a_charge_nor_asked_for_a_card(ground, price):
    async with ground.tx() as tx:
        await a_gateway(tx)
    await a_card(ground, "1111")
    async with ground.tx() as tx:
        s = await a_subscription(tx, ground.customer, await a_plan(tx), trial_days=14)
        sends = replace(s.terms.billing, collection=Collection.SEND, net_days=14)
        terms = replace(s.terms, unit_amount=Money(price, "EUR"), billing=sends)
        s = (await subscriptions.change(tx, ref=s.ref, terms=terms, now=NOW)).after
    await ground.hear(handlers.on_trial_ending, about(TrialEnding, s, days_left=3, ends_at=s.trial_ends_at))
    [mail] = ground.inbox.mails
    words = f"we will send you an invoice{' for €30.00' if price else ''}."
    assert (words in text_of(mail), "1111" in text_of(mail), "add a payment method" in text_of(mail)) == (
        True,
        False,
        False,
    )


@pytest.mark.parametrize(
    ("kind", "label", "called"),
    [("paypal", "a•••@example.com", "a•••@example.com"), ("paypal", "", "PayPal"), ("link", "", "Link")],
)
async def test_who_pays_with_no_card_is_told_what_is_charged_and_not_asked_for_another(ground, kind, label, called):
    async with ground.tx() as tx:
        await a_gateway(tx)
    await saved(ground, CardDetails(token="pm_wallet", kind=kind, label=label))
    async with ground.tx() as tx:
        plan = await a_plan(tx)
        trial = await a_subscription(tx, ground.customer, plan, trial_days=14)
        renewing = await a_subscription(tx, ground.customer, plan, is_active=True)
    upcoming = {"days_left": 3, "renews_at": renewing.current_period.ends_at}
    await ground.hear(handlers.on_trial_ending, about(TrialEnding, trial, days_left=3, ends_at=trial.trial_ends_at))
    await ground.hear(
        handlers.on_subscription_renewal_upcoming, about(SubscriptionRenewalUpcoming, renewing, **upcoming)
    )
    assert [f"charge €30.00 to {called}" in text_of(mail) for mail in ground.inbox.mails] == [True, True]


@pytest.mark.parametrize(
    ("kind", "label", "called"), [("paypal", "a•••@example.com", "a•••@example.com"), ("link", "", "Link")]
)
async def test_a_wallet_that_was_added_is_told_of_as_a_card_is(ground, kind, label, called):
    async with ground.tx() as tx:
        await a_gateway(tx)
    method = await saved(ground, CardDetails(token="pm_wallet", kind=kind, label=label))
    of = {"tenant_id": ground.tenant_id, "customer_id": ground.customer.id, "payment_method_id": method.id}
    added = heard(PaymentMethodAdded(**of, brand="", last4=""))
    assert await ground.hear(handlers.on_payment_method_added, added) == [("email", "payment_method_added")]
    [mail] = ground.inbox.mails
    assert f"{called} was added to your account" in text_of(mail)


async def test_a_card_is_named_when_it_is_added_and_when_it_runs_out(ground):
    of, card = await of_a_card(ground), {"brand": "visa", "last4": "4242"}
    added = heard(PaymentMethodAdded(**of, **card))
    assert await ground.hear(handlers.on_payment_method_added, added, added) == [("email", "payment_method_added")]
    for days_left in (30, 7):
        expiring = heard(PaymentMethodExpiring(**of, **card, exp_month=12, exp_year=2034, days_left=days_left))
        assert await ground.hear(handlers.on_payment_method_expiring, expiring, expiring) == [
            ("email", "card_expiring")
        ]
        assert await ground.hear(handlers.on_payment_method_expiring, expiring) == []
    first, second, _ = map(text_of, ground.inbox.mails)
    assert "Visa •••• 4242 was added to your account" in first
    assert "Your card Visa •••• 4242 is good until 12/2034." in second


@pytest.mark.parametrize("is_removed", [True, False])
async def test_a_card_that_was_renewed_or_removed_is_not_warned_of_any_more(ground, is_removed):
    of, card = await of_a_card(ground), {"brand": "visa", "last4": "4242"}
    year = 2034 if is_removed else 2027
    if is_removed:
        async with ground.tx() as tx:
            await payments.remove_method(tx, method_id=of["payment_method_id"], now=NOW)
    expiring = heard(PaymentMethodExpiring(**of, **card, exp_month=12, exp_year=year, days_left=7))
    await ground.hear(handlers.on_payment_method_expiring, expiring)
    assert [each.detail for each in await ground.told()] == ["the card was renewed, or is there no more"]
    assert ground.inbox.mails == []


async def of_a_card(ground):
    async with ground.tx() as tx:
        await a_gateway(tx)
    method = await a_card(ground, "4242")
    return {"tenant_id": ground.tenant_id, "customer_id": ground.customer.id, "payment_method_id": method.id}


@pytest.mark.parametrize("has_card", [True, False])
async def test_a_trial_of_what_costs_by_use_alone_asks_for_a_card_only_where_there_is_none(ground, has_card):
    async with ground.tx() as tx:
        await a_gateway(tx)
    if has_card:
        await a_card(ground, "1111")
    async with ground.tx() as tx:
        s = await a_subscription(tx, ground.customer, await a_plan(tx), trial_days=14)
        terms = replace(s.terms, unit_amount=Money(0, "EUR"))
        s = (await subscriptions.change(tx, ref=s.ref, terms=terms, now=NOW)).after
    await ground.hear(handlers.on_trial_ending, about(TrialEnding, s, days_left=3, ends_at=s.trial_ends_at))
    text = text_of(ground.inbox.mails[0])
    words = "If you like it, you need not do anything. If not, cancel before that day and pay nothing."
    assert (words in text, "add a payment method" in text) == (has_card, not has_card)


async def sent_late(ground, handler, message, meanwhile):
    """Have a message written, something happen, and the message sent; return what it says."""
    async with ground.tx() as tx:
        await handler(tx, [message], now=NOW)
    async with ground.tx() as tx:
        await meanwhile(tx)
    async with ground.tx() as tx:
        await notifications.dispatch(tx, refs=[each.ref for each in await ground.told()], now=NOW)
    await ground.runner.drain()
    return text_of(ground.inbox.mails[-1])


async def test_what_waited_says_the_date_that_holds_when_it_is_sent(ground):
    change = await planned(ground, is_active=True)
    end = change.current_period.ends_at
    again = {"ref": change.ref, "terms": change.pending_terms, "at": end + 5 * DAY, "now": NOW}
    scheduled = about(SubscriptionChangeScheduled, change, takes_effect_at=end)
    text = await sent_late(
        ground, handlers.on_subscription_change_scheduled, scheduled, lambda tx: subscriptions.change(tx, **again)
    )
    assert "From Apr 6, 2026" in text
    trial = await planned(ground, trial_days=14)
    longer = {"ref": trial.ref, "until": trial.trial_ends_at + 7 * DAY, "now": NOW}
    ending = about(TrialEnding, trial, days_left=3, ends_at=trial.trial_ends_at)
    text = await sent_late(
        ground, handlers.on_trial_ending, ending, lambda tx: subscriptions.extend_trial(tx, **longer)
    )
    assert "ends on Mar 22, 2026" in text
