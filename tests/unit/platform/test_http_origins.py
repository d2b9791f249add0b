"""Where a browser says that it stands is compared with where we say that we are, however that was written."""

import pytest

from guilder.platform.http.origins import is_same_origin, origin_of


@pytest.mark.parametrize(
    ("public_url", "origin"),
    [
        ("https://billing.example.com", "https://billing.example.com"),
        ("https://Billing.Example.com:443/", "https://billing.example.com"),
        ("https://billing.example.com:8443", "https://billing.example.com:8443"),
        ("http://localhost:80", "http://localhost"),
        ("http://[::1]:4000", "http://[::1]:4000"),
    ],
)
@pytest.mark.shows("fault G7")
def test_an_origin_is_written_as_browsers_write_it(public_url, origin):
    assert origin_of(public_url) == origin
    assert is_same_origin({"origin": origin}, origin_of(public_url))
    assert not is_same_origin({"origin": "https://evil.example"}, origin_of(public_url))
