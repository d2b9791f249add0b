"""Whom we call we call by TLS 1.2 or later, with certificates that are checked and names that fit."""

import ssl

import pytest

from guilder.platform.db.tls import context_for
from guilder.platform.outside.http import OutboundPolicy, guarded_client

ELSEWHERE = "postgresql://app:x@db.example.com/guilder"


def of_calls() -> ssl.SSLContext:
    return guarded_client(OutboundPolicy())._transport._pool._ssl_context


def of_the_database() -> ssl.SSLContext:
    context = context_for(ELSEWHERE)
    assert isinstance(context, ssl.SSLContext)
    return context


@pytest.mark.shows("ASVS 12.1.1", "ASVS 12.3.1", "ASVS 12.3.2")
@pytest.mark.parametrize("made", [of_calls, of_the_database, ssl.create_default_context])
def test_nothing_older_than_tls_1_2_and_nothing_unchecked(made):
    context = made()
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
