"""`guilder audit verify` looks at every tenant, says where something was changed, and that it looked."""

import pytest
from pydantic import SecretStr

from guilder.domain.audit import service as audit
from guilder.entrypoints.cli import audit as command
from guilder.entrypoints.cli.access import Office
from guilder.entrypoints.cli.speaking import Trouble
from guilder.kernel import ids
from guilder.platform.config import Settings


@pytest.fixture
def office(database, database_urls, tmp_path):
    settings = Settings(
        database_url=SecretStr(database_urls.app),
        database_doctor_url=SecretStr(database_urls.doctor),
        guilder_data=tmp_path,
    )
    return Office(settings, database)


async def state(ground):
    async with ground.tx() as tx:
        return await audit.last_verification(tx)


async def test_a_sound_audit_is_said_to_be_sound_of_each_tenant(ground, office):
    await ground.told(5)
    await ground.told(5, tenant_id=ground.sandbox_id)
    findings = await command._verify(office, None, [])
    assert {ground.tenant_id, ground.sandbox_id} <= set(findings)
    assert all(found.count == 0 and found.records > 0 for found in findings.values())
    kept = await state(ground)
    assert (kept.faults, kept.verified_by, kept.records) == (0, "cli", findings[ground.tenant_id].records)


async def test_what_was_changed_is_kept_with_its_place(ground, office):
    await ground.told(5)
    await ground.as_superuser("update audit.records set actor = 'nobody' where action like 'notifications.%'")
    findings = await command._verify(office, None, [])
    assert findings[ground.tenant_id].count == 5
    kept = await state(ground)
    assert kept.faults == 5
    assert "actor is not what was written" in kept.first_fault
    assert str(ground.tenant_id) in kept.first_fault


async def test_an_anchor_kept_elsewhere_is_compared(ground, office, tmp_path):
    await ground.told(5)
    anchor = tmp_path / "anchor.jsonl"
    anchor.write_bytes(await command._anchor(office))
    await ground.as_superuser(
        "update audit.heads set seq = 0, hash = decode(repeat('00', 32), 'hex'); delete from audit.records"
    )
    assert all(found.count == 0 for found in (await command._verify(office, None, [])).values()), "all is gone alike"
    findings = await command._verify(office, None, [anchor])
    assert findings[ground.tenant_id].count > 0


@pytest.mark.shows("I30", "ASVS 16.4.2")
async def test_a_chain_that_was_removed_with_its_head_is_missed_by_its_anchor(ground, office, tmp_path):
    await ground.told(5)
    anchor = tmp_path / "anchor.jsonl"
    anchor.write_bytes(await command._anchor(office))
    await ground.as_superuser("delete from audit.heads; delete from audit.records")
    for name in (None, ids.to_text("ten", ground.tenant_id)):
        findings = await command._verify(office, name, [anchor])
        assert findings[ground.tenant_id].count > 0


async def test_a_file_that_is_no_anchor_is_said_to_be_none(office, ground, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("nothing of the kind")
    with pytest.raises(Trouble, match="an anchor cannot be read"):
        await command._verify(office, None, [other])
