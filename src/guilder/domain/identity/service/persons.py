"""Who is behind a name: where two persons are needed, one who comes by two ways is still one."""

from guilder.domain.identity.store import persons as rows
from guilder.kernel import ids
from guilder.kernel.errors import Forbidden
from guilder.platform.db.tx import Tx

_KEY = "api_key:"
# A key may have been made with a key, which was made with a key.
GENERATIONS_MAX = 20


class NobodyKnowsWho(Forbidden):
    """So many keys were made with one another that nobody says who is behind the last one."""

    code = "person_behind_key_unknown"


async def names_of(tx: Tx, *, actor: str) -> frozenset[str]:
    """Return every name under which the person behind an actor is known to act: a key's, and of whoever made that key.

    A member of the staff goes by one name, whether by a session or by a token.

    :raises NobodyKnowsWho: it is a key of more than `GENERATIONS_MAX` generations
    """
    names = [actor]
    while names[-1].startswith(_KEY):
        if len(names) > GENERATIONS_MAX:  # to stop looking here would be to let the first person be the second
            raise NobodyKnowsWho
        key_id = ids.from_text("key", names[-1].removeprefix(_KEY))
        made_by = await rows.minter(tx, key_id) if key_id else None
        if made_by is None or made_by in names:
            break
        names.append(made_by)
    return frozenset(names)
