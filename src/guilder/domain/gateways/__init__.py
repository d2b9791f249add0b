"""Gateways: connections to payment providers, in words that are the same for all of them.

Owns: accounts at providers and their sealed secrets, what was asked of a provider under which business key, providers'
webhooks as they came. Announces: GatewayRequested (its own runner hears it), GatewayAnswered, NoticeReceived,
GatewayConnected, GatewayRefusedUs. Listens to: GatewayRequested.
Calls: identity. Never: decides whether something is paid; calls a provider inside a transaction; asks for a second
object under a business key before it has looked for the first.
"""
