"""One server behind TLS, a master that sentinels watch, a cluster: the same limits and answers."""

import asyncio
import datetime as dt
import ipaddress
import time
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from guilder.kernel.ids import TenantId
from guilder.platform.cache.answers import Answers, Question
from guilder.platform.cache.client import Shared
from guilder.platform.clock import WallClock
from guilder.platform.http.limits import InProcess, InRedis, Want
from guilder.platform.http.settings import Allowance
from tests.rooms.platform.cache.ground import a_way_to
from tests.support.ground import RING
from tests.support.ports import free_port
from tests.support.redis import a_cluster, a_redis, a_sentinel, until

pytestmark = pytest.mark.needs_redis


async def works(shared: Shared, homes: int = 1) -> None:
    """Take from buckets, keep answers and make them old, of several tenants in one statement."""
    limiter, answers = InRedis(shared, InProcess(time.monotonic)), Answers(shared, RING, WallClock())
    tenants = [TenantId(uuid4()) for _ in range(homes)]
    for tenant in tenants:
        wants = [Want("caller", Allowance(1, burst=2)), Want("tenant", Allowance(1, burst=5))]
        assert [(await limiter.take(str(tenant), wants)).is_allowed for _ in range(3)] == [True, True, False]
    asked = [Question(tenant, "catalog", "catalog", "GET", 30) for tenant in tenants]
    for each in asked:
        await answers.keep(each, await answers.find(each), b"kept")
    assert [(await answers.find(each)).answer for each in asked] == [b"kept"] * homes
    await answers.touched({(tenant, "catalog") for tenant in tenants})
    assert [(await answers.find(each)).answer for each in asked] == [None] * homes
    assert shared.trouble is None


async def many_at_once(shared: Shared) -> None:
    """Ask more at once than there are connections."""
    limiter = InRedis(shared, InProcess(time.monotonic))
    wants = [Want("crowd", Allowance(1, burst=100))]
    taken = await asyncio.gather(*(limiter.take("home", wants) for _ in range(150)))
    assert sum(each.is_allowed for each in taken) == 100
    assert shared.trouble is None


async def test_three_masters_of_a_cluster_share_the_keys():
    with a_cluster() as servers:
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in servers[:2])
        async with a_way_to(f"redis+cluster://{hosts}") as shared:
            await works(shared, homes=12)
            await many_at_once(shared)
        assert all(server.admin.dbsize() for server in servers)


@pytest.mark.slow
async def test_a_lost_node_of_a_cluster_is_being_away_and_nothing_fails():
    with a_cluster() as servers:
        async with a_way_to(f"redis+cluster://127.0.0.1:{servers[0].port}") as shared:
            servers[1].stop()
            limiter = InRedis(shared, InProcess(time.monotonic))
            for n in range(30):
                assert (await limiter.take(f"tenant {n}", [Want("caller", Allowance(10))])).is_allowed
            assert shared.trouble is not None


async def test_the_master_that_sentinels_name_is_asked():
    with a_sentinel() as watched:
        async with a_way_to(watched.url) as shared:
            await works(shared)
            await many_at_once(shared)
        assert watched.master.admin.dbsize()


@pytest.mark.slow
@pytest.mark.shows("fault D5")
async def test_when_the_master_dies_its_successor_is_found():
    with a_sentinel(has_replica=True) as watched:
        async with a_way_to(watched.url) as shared:
            limiter = InRedis(shared, InProcess(time.monotonic))
            watched.master.stop()
            assert (await limiter.take("home", [Want("caller", Allowance(10))])).is_allowed
            assert shared.trouble is not None
            await until(lambda: shared.trouble is None, timeout_s=60)
            await works(shared)


@pytest.mark.shows("ASVS 12.3.1", "ASVS 12.3.2")
async def test_tls_is_with_whom_the_certificate_names_and_its_issuer_is_known(tmp_path):
    certificate = a_certificate(tmp_path)
    files = ("--tls-cert-file", str(certificate), "--tls-key-file", str(tmp_path / "key.pem"))
    port = free_port()
    with a_redis("--tls-port", str(port), *files, "--tls-auth-clients", "no"):
        async with a_way_to(f"rediss://127.0.0.1:{port}?ca={certificate}") as shared:
            await works(shared)
        async with a_way_to(f"rediss://127.0.0.1:{port}") as shared:
            assert (shared.trouble or "").startswith("fails")  # signed by nobody whom the system knows
        async with a_way_to(f"rediss://localhost:{port}?ca={certificate}") as shared:
            assert (shared.trouble or "").startswith("fails")  # of another name


def a_certificate(folder: Path) -> Path:
    """Sign one for 127.0.0.1, by itself."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "redis")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    path = folder / "certificate.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return path
