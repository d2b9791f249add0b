"""Audit: who did what, when and why, in chains of records that nobody can rewrite unseen.

Owns: records, the chains that they stand in and where each ends, what was dropped when it was old, anchors, exports, and
what was found when the chains were verified.
Announces: AuditExported, AuditVerified.
Listens to: everything, as it is written in the log, and to what only it hears: calls, sensitive readings, refusals,
changes of settings.
Calls: identity (which tenants are sandboxes).
Never: changes or removes a record; keeps a person's name, address or words in the clear; is heard by what it records.
"""
