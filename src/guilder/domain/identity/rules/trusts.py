"""What must be known of an issuer of tokens before it is believed."""

from urllib.parse import urlsplit

from guilder.domain.identity.model import TokenTrust, TrustKind
from guilder.kernel.errors import Invalid

PARTIES_MAX = 20
ACRS_MAX = 10


class BadTrust(Invalid):
    """An issuer is trusted for its name, by its keys, and for an authorized party or an audience."""

    code = "bad_token_trust"


def checked_trust(trust: TokenTrust) -> TokenTrust:
    """Return the trust, if it says all that its kind needs and nothing else.

    :raises BadTrust: something is missing, or has no meaning for its kind
    """
    if not _is_address(trust.issuer):
        raise BadTrust("the issuer should be an https address, exactly as in the tokens' `iss`", field="issuer")
    if trust.kind is TrustKind.INTROSPECTION:
        _check_asked(trust)
    else:
        _check_signed(trust)
    return trust


def _check_signed(trust: TokenTrust) -> None:
    if bool(trust.jwks_url) == bool(trust.public_key_pem):
        raise BadTrust("give either jwks_url or public_key_pem", field="jwks_url")
    # Without one of these, a token made for any other application of the same issuer would be good here.
    if not trust.authorized_parties and not trust.audience:
        raise BadTrust("give authorized_parties (`azp`) or audience (`aud`)", field="authorized_parties")
    if len(trust.authorized_parties) > PARTIES_MAX:
        raise BadTrust(f"at most {PARTIES_MAX}", field="authorized_parties")
    if trust.introspection_url:
        raise BadTrust("this is for the kind introspection only", field="introspection_url")
    _check_client(trust)


def _check_client(trust: TokenTrust) -> None:
    """Look at what staff sign in with: a client id, perhaps a secret, and both addresses or none."""
    for field in ("client_secret", "authorization_url", "token_url"):
        if getattr(trust, field) and not trust.client_id:
            raise BadTrust("give the client_id that the issuer knows Guilder by", field="client_id")
    if bool(trust.authorization_url) != bool(trust.token_url):
        raise BadTrust("give both addresses, or none to have them looked for", field="token_url")
    if len(trust.acr_values) > ACRS_MAX:
        raise BadTrust(f"at most {ACRS_MAX}", field="acr_values")


def _check_asked(trust: TokenTrust) -> None:
    for field in ("introspection_url", "client_id", "client_secret"):
        if not getattr(trust, field):
            raise BadTrust("the kind introspection needs it", field=field)
    for field in ("jwks_url", "public_key_pem", "authorized_parties", "authorization_url", "token_url"):
        if getattr(trust, field):
            raise BadTrust("the kind introspection has no use for it", field=field)
    # A token is sent to whoever it says has made it, and to nobody else: a tenant that registered another's issuer
    # with an address of its own would collect the tokens of the other's users.
    if urlsplit(trust.introspection_url)[:2] != urlsplit(trust.issuer)[:2]:
        raise BadTrust("should be at the issuer's own address", field="introspection_url")


def _is_address(issuer: str) -> bool:
    parts = urlsplit(issuer)
    is_here = parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1"}
    return bool(parts.hostname) and (parts.scheme == "https" or is_here)
