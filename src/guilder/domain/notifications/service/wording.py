"""A tenant's own words: kept if they say no more than data and choices, and shown before anybody is told in them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from guilder.domain.identity.model import Address, Issuer
from guilder.domain.notifications import store
from guilder.domain.notifications.model import Kind, Notification, OwnWords
from guilder.domain.notifications.service.telling import TEMPLATES
from guilder.kernel.errors import Invalid, NotFound
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx
from guilder.platform.outside.templating import BadWords, Brand, OwnText, Rendered
from guilder.platform.words import country_name, language_of, locale_of


class BadTemplate(Invalid):
    """A template may name data, as {{ amount }}, and choose by whether they are there; nothing else."""

    code = "bad_template"


class NoOwnWords(NotFound):
    """There are no words of your own for this."""

    code = "no_own_words"


async def own_words(tx: Tx) -> list[OwnWords]:
    return await store.words_of_tenant(tx)


async def set_words(tx: Tx, *, own: OwnWords, now: datetime) -> OwnWords:
    """Say this kind of message in these words from now on, to whoever speaks this language.

    :raises BadTemplate: names the part, the line and the reason
    """
    checked(own)
    await store.save_words(tx, own, now=now)
    return own


async def drop_words(tx: Tx, *, kind: Kind, language: str) -> None:
    """Say it in our words again.

    :raises NoOwnWords: it is said in them already
    """
    if not await store.drop_words(tx, kind, language):
        raise NoOwnWords


async def words_for(tx: Tx, *, messages: Sequence[tuple[Notification, str]]) -> Mapping[Ref, OwnText]:
    """Return their tenants' own words for these messages, of those that have some: each in the language beside it, or in
    the one that it is said in otherwise."""
    if not messages:
        return {}
    tenants = sorted({each.tenant_id for each, _ in messages})
    found = await store.words(tx, tenants, sorted({each.kind for each, _ in messages}))
    own = {(each.tenant_id, each.kind, each.language): OwnText(each.subject, each.body) for each in found}
    said: dict[Ref, OwnText] = {}
    for each, language in messages:
        # In a language that we have no words in somebody may have written their own.
        for spoken in (locale_of(language).language, language_of(language)):
            if each.ref not in said and (text := own.get((each.tenant_id, each.kind, spoken))) is not None:
                said[each.ref] = text
    return said


def preview(*, own: OwnWords, data: Mapping[str, str], brand: Brand) -> Rendered:
    """Show a message in these words, about these data, without keeping them.

    :raises BadTemplate: as `set_words`
    """
    return TEMPLATES.render(own.kind.value, own.language, data, brand=brand, own=checked(own))


def checked(own: OwnWords) -> OwnText:
    text = OwnText(own.subject, own.body)
    try:
        TEMPLATES.check(own.kind.value, text)
    except BadWords as error:
        raise BadTemplate(f"line {error.line}: {error.reason}", field=error.part) from error
    return text


def brand_of(issuer: Issuer, language: str) -> Brand:
    return Brand(name=sender_name(issuer), address=_one_line(issuer.address, language), support_email=issuer.email)


def sender_name(issuer: Issuer) -> str:
    return issuer.sender_name or issuer.legal_name


def _one_line(address: Address, language: str) -> str:
    country = country_name(address.country, language)
    town = " ".join(part for part in (address.postal_code, address.city) if part)
    return ", ".join(part for part in (address.line1, address.line2, town, address.region, country) if part)
