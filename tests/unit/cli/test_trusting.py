"""What the environment says of issuers becomes what identity is asked to believe."""

import pytest
from pydantic import SecretStr

from guilder.domain.identity.model import TrustKind
from guilder.entrypoints.trusting import named
from guilder.platform.config import Settings


def test_nothing_is_believed_that_is_not_named():
    assert named(Settings()) == []


def test_a_clerk_key_on_one_line_is_read_as_pem():
    settings = Settings(clerk_issuer="https://x.clerk.accounts.dev", clerk_jwt_key=SecretStr("-----BEGIN\\nAB\\n"))
    [clerk] = named(settings)
    assert clerk["kind"] is TrustKind.CLERK
    assert clerk["public_key_pem"] == "-----BEGIN\nAB\n"
    assert clerk["authorized_parties"] == (settings.base_url,), "our own address, where no other is named"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"oidc_issuer": "https://id.example", "oidc_audience": "billing"}, TrustKind.OIDC),
        ({"auth_introspection_url": "https://auth.example/oauth/introspect"}, TrustKind.INTROSPECTION),
    ],
)
def test_other_issuers_are_believed_as_named(said, kind):
    [found] = named(Settings(**said))
    assert found["kind"] is kind
    assert found["issuer"] in {"https://id.example", "https://auth.example"}
