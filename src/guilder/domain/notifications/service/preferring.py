"""What customers wish to hear, and the link that says so without a login."""

from datetime import datetime

from guilder.domain.customers import service as customers
from guilder.domain.notifications import store
from guilder.domain.notifications.model import Group, Notification, Preferences
from guilder.domain.notifications.rules import links
from guilder.domain.notifications.rules.wishes import OPTIONAL, group_of
from guilder.kernel.ids import CustomerId, Ref
from guilder.kernel.noun import replace
from guilder.platform.db.tx import Tx
from guilder.platform.db.vault import Vault

_ABOUT = "unsubscribe link"


async def preferences(tx: Tx, *, customer_id: CustomerId) -> Preferences:
    ref = Ref(tx.tenant_id, customer_id)
    found = await store.preferences(tx, [ref])
    return found.get(ref) or Preferences(tenant_id=tx.tenant_id, customer_id=customer_id)


async def set_preferences(tx: Tx, *, wishes: Preferences, now: datetime) -> Preferences:
    """Keep what a customer wishes to hear from now on, what waits to be sent included."""
    await store.save_preferences(tx, wishes, now=now)
    return wishes


async def unsubscribe(tx: Tx, *, link: links.Unsubscribing, now: datetime) -> Preferences:
    """Switch off the group that a link names; to do it again changes nothing."""
    # Held: of two groups that are switched off at one time, the second keeps what the first said.
    await customers.lock(tx, refs=[Ref(link.tenant_id, link.customer_id)])
    wishes = await preferences(tx, customer_id=link.customer_id)
    return await set_preferences(tx, wishes=_without(wishes, link.group), now=now)


def unsubscribe_link(vault: Vault, *, notification: Notification, base_url: str) -> str:
    """Return where its reader can switch off what this message is one of; empty for what is required."""
    group = group_of(notification.kind)
    if group not in OPTIONAL:
        return ""
    link = links.Unsubscribing(notification.tenant_id, notification.customer_id, group)
    return f"{base_url.rstrip('/')}/unsubscribe/{links.write(link, _sign(vault))}"


def read_unsubscribe_link(vault: Vault, *, token: str) -> links.Unsubscribing:
    """Return what a token names.

    :raises BadUnsubscribeLink: it is none of ours
    """
    return links.read(token, _sign(vault))


def _without(wishes: Preferences, group: Group) -> Preferences:
    return replace(
        wishes,
        wants_reminders=wishes.wants_reminders and group is not Group.REMINDERS,
        wants_renewal_notices=wishes.wants_renewal_notices and group is not Group.RENEWAL_NOTICES,
        wants_usage_alerts=wishes.wants_usage_alerts and group is not Group.USAGE_ALERTS,
    )


def _sign(vault: Vault) -> links.Sign:
    return lambda text: _newest_first(vault, text)


def _newest_first(vault: Vault, text: str) -> list[bytes]:
    newest = vault.ring.blind(text, about=_ABOUT)
    return [newest, *(each for each in vault.ring.blinds(text, about=_ABOUT) if each != newest)]
