"""Settings of which one says nothing without the other."""

PAIRS = (
    ("kafka_sasl_username", "kafka_sasl_password"),
    ("oidc_issuer", "oidc_audience"),
    ("aws_access_key_id", "aws_secret_access_key"),
)


def refuse_halves(settings: object) -> None:
    """Refuse half of a pair: it would be as if neither were there, and nobody would say why.

    :raises ValueError: names the half that is missing
    """
    for pair in PAIRS:
        missing = [name.upper() for name in pair if getattr(settings, name) is None]
        if len(missing) == 1:
            [said] = {name.upper() for name in pair} - set(missing)
            raise ValueError(f"{missing[0]} is required where {said} is set")
