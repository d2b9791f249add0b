"""Time that is not paid for: trials and pauses. The sums are in docs/design/scenarios.md."""

from tests.support.arithmetic import Span, instant, part_of, seconds, span
from tests.support.bills import BILLED, PAID, Bill, a_story, bill, bills, current_period, told


async def test_4_a_trial_is_extended_then_takes_the_new_plans_length_from_its_own_start(installation):
    async with a_story(installation, "2026-03-01T09:00") as world:
        await world.plan("pro", amount=3000, trial_days=14)
        await world.plan("max", amount=9000, trial_days=30)
        subscription = await world.subscriber()
        assert (subscription["status"], subscription["trial_ends_at"]) == ("trialing", "2026-03-15T09:00:00Z")
        await world.advance(to="2026-03-08T00:00:00Z")
        await told(world)

        path = f"/api/subscriptions/{subscription['id']}"
        extended = await world.post(f"{path}/extend-trial", {"until": "2026-03-20T09:00:00Z"})
        assert extended["trial_ends_at"] == "2026-03-20T09:00:00Z"
        await world.advance(to="2026-03-16T00:00:00Z")
        assert await told(world) == ["trial.extended"], "it did not end, and nobody was reminded of an end"
        changed = await world.change(subscription, plan_id="max", when="now")
        assert (changed["plan_code"], changed["trial_ends_at"]) == ("max", "2026-03-31T09:00:00Z")

        await world.advance(to="2026-03-31T08:59:59Z")
        assert await world.invoices() == [], "nothing is owed before the trial's last instant"
        assert (await world.subscription(subscription))["status"] == "trialing"
        assert await told(world) == ["subscription.changed", "trial.ending", "trial.ending"]
        await world.advance(to="2026-03-31T09:00:00Z")
        [invoice] = await world.invoices()
        assert bill(invoice) == Bill(
            "INV-2026-00001", [("recurring", 9000, "2026-03-31T09:00/2026-04-30T09:00")], 0, 9000
        )
        assert invoice["issued_at"] == "2026-03-31T09:00:00Z"
        events = await told(world)
        assert [name for name in events if not name.startswith("subscription.")] == [*BILLED, *PAID]
        assert (await world.subscription(subscription))["status"] == "active"


async def test_5_a_pause_over_a_period_end_keeps_the_paid_time_or_gives_it_back(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("keeps", amount=3000, billing={"paused_time": "keep"})
        await world.plan("credits", amount=3000, billing={"paused_time": "credit"})
        kept = await world.subscriber("kept-inc", "keeps")
        credited = await world.subscriber("credited-inc", "credits")
        await world.advance(to="2026-06-21T00:00:00Z")
        await told(world)

        for subscription in (kept, credited):
            paused = await world.post(
                f"/api/subscriptions/{subscription['id']}/pause", {"when": "now", "resume_at": "2026-07-11T00:00:00Z"}
            )
            assert paused["status"] == "paused"
        assert (await told(world)).count("subscription.paused") == 2
        await world.advance(to="2026-07-10T23:59:59Z")
        assert [len(await world.invoices(name)) for name in ("kept-inc", "credited-inc")] == [1, 2]
        assert (await told(world)) == [], "the first of July brought nothing"
        await world.advance(to="2026-07-11T00:00:00Z")
        assert current_period(await world.subscription(kept)) == "2026-07-11/2026-07-21", "ten days were left"
        assert current_period(await world.subscription(credited)) == "2026-07-11/2026-08-11"
        await world.advance(to="2026-08-11T00:00:00Z")

        june = span("2026-06-01", "monthly")
        unused = part_of(3000, seconds(Span(instant("2026-06-21"), june.ends_at), june))
        assert unused == 1000
        assert await bills(world, "kept-inc") == [
            Bill("INV-2026-00001", [("recurring", 3000, "2026-06-01/2026-07-01")], 0, 3000),
            Bill("INV-2026-00004", [("recurring", 3000, "2026-07-21/2026-08-21")], 0, 3000),
        ]
        assert await bills(world, "credited-inc") == [
            Bill("INV-2026-00002", [("recurring", 3000, "2026-06-01/2026-07-01")], 0, 3000),
            Bill("CN-2026-00001", [("proration_credit", -1000, "2026-06-21/2026-07-01")], 0, -1000),
            Bill("INV-2026-00003", [("recurring", 3000, "2026-07-11/2026-08-11")], 0, 3000),
            Bill("INV-2026-00005", [("recurring", 3000, "2026-08-11/2026-09-11")], 0, 3000),
        ]
        resumed = (await world.invoices("credited-inc"))[2]
        assert (resumed["amount_credit_applied"], resumed["amount_paid"]) == (1000, 2000)
        charged = sorted(charge["amount"] for charge in (await world.journal())["charges"])
        assert charged == [2000, 3000, 3000, 3000, 3000]


async def test_19_a_trial_without_a_method_ends_as_its_plan_says_and_access_follows(installation):
    async with a_story(installation, "2026-06-01") as world:
        for rule in ("invoice", "cancel", "pause"):
            await world.plan(rule, amount=3000, trial_days=14, billing={"trial_end": rule})
            await world.customer(rule)
            await world.subscribe(rule, rule)
        await world.plan("pro", amount=3000)
        await world.customer("later")
        later = await world.subscribe("later", "pro", starts_at="2026-07-01T00:00:00Z")
        ending = await world.subscriber("ending", "pro")
        await world.advance(to="2026-06-02T00:00:00Z")
        await world.delete(f"/api/subscriptions/{ending['id']}", at="2026-06-20T00:00:00Z")
        await told(world)
        await world.advance(to="2026-06-15T00:00:00Z")

        told_of = await told(world)
        assert [told_of.count(name) for name in ("subscription.ended", "subscription.paused")] == [1, 1]
        names = ("invoice", "cancel", "pause", "later", "ending")
        found = {each["organization_id"]: each["status"] for each in await world.get("/api/subscriptions", limit=50)}
        assert [found[name] for name in ("cancel", "pause", "later")] == ["canceled", "paused", "scheduled"]
        assert later["status"] == "scheduled"
        assert found["invoice"] in {"active", "past_due"}
        owed = {name: [made.total for made in await bills(world, name)] for name in names}
        assert owed == {"invoice": [3000], "cancel": [], "pause": [], "later": [], "ending": [3000]}
        eligible = {name: (await world.get(f"/api/entitlements/{name}"))["eligible"] for name in names}
        assert eligible == {"invoice": True, "cancel": False, "pause": False, "later": False, "ending": True}
