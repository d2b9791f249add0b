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
        for said, other in (pair, pair[::-1]):
            if getattr(settings, said) is not None and getattr(settings, other) is None:
                raise ValueError(f"{other.upper()} is required where {said.upper()} is set")
