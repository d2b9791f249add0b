"""Identity: who bills, and who acts for them.

Owns: tenants and their sandboxes with a clock each, the issuer's settings, API keys, trusted issuers of tokens, staff,
whose tokens count no more.
Announces: TenantCreated, TenantChanged, TenantSuspended, TenantResumed, IssuerChanged, ApiKeyCreated, ApiKeyRevoked,
TokenTrustAdded, TokenTrustRemoved, MemberInvited, MemberChanged, MemberRemoved, PasswordSet, SessionBegan, SessionEnded, AccessRevoked,
ClerkKeysSet, SandboxAdvanced.
Listens to: nothing. Calls: nothing.
Never: the text of an API key after it was shown; a clock that goes back; a customer, but through the port it is given.
"""
