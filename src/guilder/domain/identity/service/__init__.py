"""Identity's verbs, and the three objects that the machinery is given: Clocks, Sandboxes, Authentication."""

from guilder.domain.identity.service.api_keys import keys, mint_key, revoke_key
from guilder.domain.identity.service.authentication import Authentication, CustomerOf
from guilder.domain.identity.service.clocks import Clocks, NotASandbox, Sandboxes, advance, sandbox_clock
from guilder.domain.identity.service.issuing import (
    NumberFormatTaken,
    add_issuer,
    change_issuer,
    issuer,
    issuers,
    issuers_of,
    make_default_issuer,
    set_issuer,
)
from guilder.domain.identity.service.staff import invite, members
from guilder.domain.identity.service.tenancy import (
    NewSandbox,
    SlugTaken,
    change_tenant,
    create_sandbox,
    create_tenant,
    find_by_slug,
    resume_tenant,
    suspend_tenant,
    tenant,
    tenants,
    visible,
)
from guilder.domain.identity.service.token_trusts import Verifiers, distrust, trust, trusts

__all__ = [
    "Authentication",
    "Clocks",
    "CustomerOf",
    "NewSandbox",
    "NotASandbox",
    "NumberFormatTaken",
    "Sandboxes",
    "SlugTaken",
    "Verifiers",
    "add_issuer",
    "advance",
    "change_issuer",
    "change_tenant",
    "create_sandbox",
    "create_tenant",
    "distrust",
    "find_by_slug",
    "invite",
    "issuer",
    "issuers",
    "issuers_of",
    "keys",
    "make_default_issuer",
    "members",
    "mint_key",
    "resume_tenant",
    "revoke_key",
    "sandbox_clock",
    "set_issuer",
    "suspend_tenant",
    "tenant",
    "tenants",
    "trust",
    "trusts",
    "visible",
]
