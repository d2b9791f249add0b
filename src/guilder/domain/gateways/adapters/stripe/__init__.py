"""Stripe, by its own SDK. Off session a charge is a PaymentIntent (`pi_`); on session it is a Checkout Session (`cs_`).

Never: a card's number, a fetch while a notice is read, a retry of the SDK's own (the runner tries again).
"""
