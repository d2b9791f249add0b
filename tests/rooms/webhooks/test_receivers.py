"""A receiver that …"""

import gzip
import resource
import ssl
import tempfile
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from guilder.domain.webhooks.model import Status
from tests.support.receiver import answering, pouring, receiving

MEGABYTE = b"x" * 1_000_000


async def outcome(ground, endpoint):
    [delivery] = await ground.deliveries(endpoint)
    [attempt] = await ground.history(delivery)
    return delivery, attempt


def memory_kb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.shows("fault H3")
async def test_is_down_is_tried_again(ground):
    endpoint, _ = await ground.an_endpoint(url="http://127.0.0.1:1/hook")
    await ground.told(ground.an_event())
    delivery, attempt = await outcome(ground, endpoint)
    assert (delivery.status, attempt.status) == (Status.PENDING, None)
    assert attempt.error.startswith("ConnectError")


@pytest.mark.shows("fault H3", "SSRF size", "fault H2")
async def test_answers_with_ten_gigabytes_is_read_for_64_kb_and_kept_for_two(ground):
    endpoint, _ = await ground.an_endpoint()
    ground.receiver.says(pouring(MEGABYTE, times=10_000))
    before = memory_kb()
    await ground.told(ground.an_event())
    delivery, attempt = await outcome(ground, endpoint)
    assert (delivery.status, attempt.status, len(attempt.answer)) == (Status.DELIVERED, 200, 2_048)
    assert memory_kb() - before < 100_000


@pytest.mark.shows("fault H3")
async def test_answers_with_a_gzip_bomb_is_not_unpacked(ground):
    bomb = gzip.compress(b"\0" * 100_000_000)
    endpoint, _ = await ground.an_endpoint()
    ground.receiver.says(answering(200, bomb, content_encoding="gzip"))
    before = memory_kb()
    await ground.told(ground.an_event())
    delivery, attempt = await outcome(ground, endpoint)
    assert delivery.status is Status.DELIVERED
    assert len(attempt.answer) <= 2_048
    assert memory_kb() - before < 50_000
    assert ground.receiver.got[0].headers["accept-encoding"] == "identity"


@pytest.mark.shows("fault H3", "SW timeout")
@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", b"HTTP/1.1 200 OK\r\nx-slow: "])
async def test_answers_a_byte_a_second_is_left_when_its_time_is_up(ground, head):
    endpoint, _ = await ground.an_endpoint()
    ground.receiver.says(pouring(b"x", every_s=0.2, head=head))
    await ground.told(ground.an_event())
    delivery, attempt = await outcome(ground, endpoint)
    assert (delivery.status, attempt.error) == (Status.PENDING, "no answer within 2 s")
    assert 1_900 <= attempt.duration_ms < 3_500


@pytest.mark.shows("fault H3", "ASVS 12.3.2", "ASVS 12.3.1")
async def test_has_a_certificate_that_nobody_vouches_for_is_told_nothing(ground):
    async with receiving(_tls()) as stranger:
        endpoint, _ = await ground.an_endpoint(url=f"https://localhost:{stranger.port}/hook")
        await ground.told(ground.an_event())
        delivery, attempt = await outcome(ground, endpoint)
        assert (delivery.status, attempt.status) == (Status.PENDING, None)
        assert "certificate" in attempt.error.lower()
        assert stranger.got == []


async def test_answers_nonsense_has_failed(ground):
    endpoint, _ = await ground.an_endpoint()
    ground.receiver.says(pouring(b"SSH-2.0-OpenSSH\r\n", times=1, head=b"\r\n"))
    await ground.told(ground.an_event())
    delivery, attempt = await outcome(ground, endpoint)
    assert (delivery.status, attempt.status, bool(attempt.error)) == (Status.PENDING, None, True)


async def test_repeats_nul_and_broken_letters_is_quoted_without_them(ground):
    endpoint, _ = await ground.an_endpoint()
    ground.receiver.says(answering(500, b"a\x00b\xff\xfec"))
    await ground.told(ground.an_event())
    _, attempt = await outcome(ground, endpoint)
    assert attempt.answer.startswith("ab")
    assert attempt.answer.endswith("c")


def _tls():
    """A certificate of one's own making for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _context(made.public_bytes(serialization.Encoding.PEM), key)


def _context(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate)
        file.write(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        file.flush()
        context.load_cert_chain(file.name)
    return context
