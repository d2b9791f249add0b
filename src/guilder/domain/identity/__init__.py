"""Identity: who bills, and who acts for them.

Owns: tenants and their sandboxes with a clock each, the issuer's settings, API keys, trusted issuers of tokens and whose
tokens count no more, staff with their passwords and sessions.
Announces: TenantCreated, TenantChanged, TenantSuspended, TenantResumed, IssuerChanged, ApiKeyCreated, ApiKeyRevoked,
TokenTrustAdded, TokenTrustRemoved, MemberInvited, MemberChanged, MemberRemoved, PasswordSet, SessionBegan, SessionEnded,
AccessRevoked, ClerkKeysSet, SandboxAdvanced.
Listens to: nothing. Calls: nothing.
Never: the text of an API key, a session or a password as it is; an account by default; a clock that goes back; a customer,
but through the port it is given.
"""
