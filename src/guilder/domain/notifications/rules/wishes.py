"""What a reader may choose: everything but what concerns its money and its access."""

from collections.abc import Mapping

from guilder.domain.notifications.model import Channel, Group, Kind, Preferences

# What is not named here is required. The end of a trial is, for it begins to cost then; a new card is, for it may be
# somebody else's doing; an announced change of price is, for it can still be refused.
GROUPS: Mapping[Kind, Group] = {
    Kind.INVOICE_DUE_SOON: Group.REMINDERS,
    Kind.CARD_EXPIRING: Group.REMINDERS,
    Kind.UPCOMING_RENEWAL: Group.RENEWAL_NOTICES,
    Kind.USAGE_ALERT: Group.USAGE_ALERTS,
}
OPTIONAL = (Group.REMINDERS, Group.RENEWAL_NOTICES, Group.USAGE_ALERTS)


def group_of(kind: Kind) -> Group:
    return GROUPS.get(kind, Group.REQUIRED)


def wants(preferences: Preferences, group: Group) -> bool:
    return {
        Group.REQUIRED: True,
        Group.REMINDERS: preferences.wants_reminders,
        Group.RENEWAL_NOTICES: preferences.wants_renewal_notices,
        Group.USAGE_ALERTS: preferences.wants_usage_alerts,
    }[group]


def why_unwanted(kind: Kind, channel: Channel, preferences: Preferences | None) -> str:
    """Return why the reader does not wish to hear this; empty where it does, or has to."""
    if preferences is None:
        return ""
    if channel is Channel.SMS and not preferences.wants_sms:
        return "the customer wants no texts"
    group = group_of(kind)
    return "" if wants(preferences, group) else f"the customer wants no {group.value.replace('_', ' ')}"
