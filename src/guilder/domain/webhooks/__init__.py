"""Webhooks: what a tenant's own systems are told, by signed messages and by a feed.

Owns: endpoints and their secrets; messages, one for each event and endpoint; attempts at them; the event feed's face.
Announces: WebhookEndpointCreated, WebhookEndpointChanged, WebhookSecretRotated, WebhookEndpointEnabled,
WebhookEndpointDisabled, WebhookEndpointDeleted, WebhookDeliveriesReplayed.
Listens to: everything, but for what it announces itself.
Calls: customers (whose events a reader of the feed asks for).
Never: another room's rows; a redirect; an address that is not public (a sandbox's own machine excepted); a decision.
"""
