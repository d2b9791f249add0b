"""AWS's stacks go up one after another, and what then stands there is closed but for what was meant."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
import pytest
import yaml
from moto import mock_aws

from guilder.entrypoints.checking import Weight, findings
from guilder.entrypoints.cli import whole
from guilder.entrypoints.serving import GRACE_S
from guilder.platform import metrics
from guilder.platform.config import Settings
from guilder.platform.config.documents import is_secret
from tests.support import cloudformation

ROOT = Path(__file__).parents[2]
REGION = "eu-central-1"
TEMPLATES = cloudformation.templates()

# Who speaks to whom, and on which port; everything else is closed.
ROADS = {
    ("internet", "balancer", 80),
    ("internet", "balancer", 443),
    ("balancer", "services", 4000),
    ("apigatewaylink", "innerbalancer", 443),
    ("innerbalancer", "services", 4000),
    ("services", "database", 5432),
    ("services", "redis", 6379),
    ("services", "kafka", 9096),
    ("services", "endpoints", 443),
    ("services", "internet", 443),
    ("services", "internet", 587),
    ("services", "internet", 465),
}
NO_SETTINGS = {
    "prepare": {
        "DATABASE_HOST",
        "ADMINISTRATOR_NAME",
        "ADMINISTRATOR_PASSWORD",
        "OWNER_PASSWORD",
        "LOGIN_PASSWORD",
        "DOCTOR_PASSWORD",
    }
}
ONCE = {"prepare", "migrate", "doctor"}
ROLES = ("api", "worker", "scheduler", "relay", *sorted(ONCE))


@pytest.fixture(scope="module")
def account() -> Iterator[dict[str, Any]]:
    """An account of moto's in which all stacks stand; says what was made first by hand."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        zone = boto3.client("route53").create_hosted_zone(Name="example.com", CallerReference="1")["HostedZone"]["Id"]
        certificate = boto3.client("acm").request_certificate(DomainName="example.com")["CertificateArn"]
        given = {
            "cluster": {"Repository": "example/guilder"},
            "edge": {
                "Domain": "billing.example.com",
                "PayDomain": "pay.example.com",
                "Certificate": certificate,
                "HostedZone": zone.rpartition("/")[2],
            },
            "services": {"Image": "example/guilder:1", "KafkaBootstrapServers": "b-1.example:9096,b-2.example:9096"},
            "watching": {"Mail": "ops@example.com"},
        }
        for name in cloudformation.STACKS:
            cloudformation.deploy(name, TEMPLATES[name], given.get(name, {}))
        told = boto3.client("cloudformation").list_exports()["Exports"]
        yield {each["Name"].removeprefix("guilder-"): each["Value"] for each in told}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_every_stack_stands(account):
    stacks = boto3.client("cloudformation").describe_stacks()["Stacks"]
    assert {each["StackName"]: each["StackStatus"] for each in stacks} == dict.fromkeys(
        cloudformation.STACKS, "CREATE_COMPLETE"
    )


def test_data_have_no_road_out_and_processes_one_through_a_nat_of_their_zone(account):
    ec2 = boto3.client("ec2")
    tables = ec2.describe_route_tables()["RouteTables"]
    leads = {
        link["SubnetId"]: next((r for r in table["Routes"] if r.get("DestinationCidrBlock") == "0.0.0.0/0"), {})
        for table in tables
        for link in table["Associations"]
        if "SubnetId" in link
    }
    subnets = {each["SubnetId"]: each for each in ec2.describe_subnets()["Subnets"]}
    kinds = {kind: account[f"{kind}-subnets"].split(",") for kind in ("public", "private", "data")}
    assert {kind: len({subnets[one]["AvailabilityZone"] for one in them}) for kind, them in kinds.items()} == {
        "public": 3,
        "private": 3,
        "data": 3,
    }
    written = [
        each["Properties"] for each in TEMPLATES["network"]["Resources"].values() if each["Type"] == "AWS::EC2::Subnet"
    ]
    assert [each["MapPublicIpOnLaunch"] for each in written] == [False] * 9
    assert all(leads[one]["GatewayId"].startswith("igw-") for one in kinds["public"])
    nats = {each["NatGatewayId"]: subnets[each["SubnetId"]] for each in ec2.describe_nat_gateways()["NatGateways"]}
    for one in kinds["private"]:
        assert nats[leads[one]["NatGatewayId"]]["AvailabilityZone"] == subnets[one]["AvailabilityZone"]
    assert [leads[one] for one in kinds["data"]] == [{}, {}, {}]


def _roads(groups: list[dict[str, Any]], direction: str) -> set[tuple[str, str, int]]:
    names = {each["GroupId"]: _named(each) for each in groups}
    found = set()
    for group in groups:
        for rule in group[direction]:
            others = [names[pair["GroupId"]] for pair in rule["UserIdGroupPairs"]]
            others += ["internet" if at["CidrIp"] == "0.0.0.0/0" else at["CidrIp"] for at in rule["IpRanges"]]
            for other in others:
                if other == "127.0.0.1/32":
                    continue
                here, port = names[group["GroupId"]], rule["FromPort"]
                assert port == rule["ToPort"]
                found.add((other, here, port) if direction == "IpPermissions" else (here, other, port))
    return found


def _named(group: dict[str, Any]) -> str:
    return next(tag["Value"].removeprefix("guilder-") for tag in group["Tags"] if tag["Key"] == "Name")


@pytest.mark.shows("API8", "PCI 2.2.2")
def test_groups_are_closed_but_for_who_speaks_to_whom(account):
    every = boto3.client("ec2").describe_security_groups()["SecurityGroups"]
    ours = [each for each in every if each["GroupName"] != "default"]
    assert _roads(ours, "IpPermissions") == {road for road in ROADS if road[1] != "internet"}
    assert _roads(ours, "IpPermissionsEgress") == {road for road in ROADS if road[0] != "internet"}


@pytest.mark.shows("ASVS 12.3.1", "ASVS 12.3.2")
def test_postgresql_is_encrypted_kept_twice_and_kept_back(account):
    rds = boto3.client("rds")
    found = {each["DBInstanceIdentifier"]: each for each in rds.describe_db_instances()["DBInstances"]}
    assert set(found) == {"guilder", "guilder-replica-1"}
    primary = found["guilder"]
    assert (primary["MultiAZ"], primary["StorageEncrypted"], primary["DeletionProtection"]) == (True, True, True)
    assert primary["BackupRetentionPeriod"] == 35
    assert not any(each["PubliclyAccessible"] for each in found.values())
    [group] = [each["DBParameterGroupName"] for each in primary["DBParameterGroups"]]
    set_to = {
        p["ParameterName"]: p.get("ParameterValue")
        for p in rds.describe_db_parameters(DBParameterGroupName=group)["Parameters"]
    }
    assert (set_to["rds.force_ssl"], set_to["password_encryption"]) == ("1", "scram-sha-256")


@pytest.mark.shows("ASVS 12.3.1", "ASVS 12.3.2")
def test_redis_and_kafka_take_nobody_without_tls_and_a_password(account):
    [redis] = boto3.client("elasticache").describe_replication_groups()["ReplicationGroups"]
    assert (redis["TransitEncryptionEnabled"], redis["AtRestEncryptionEnabled"], redis["AuthTokenEnabled"]) == (
        True,
        True,
        True,
    )
    kafka = boto3.client("kafka").describe_cluster(ClusterArn=account["kafka"])["ClusterInfo"]
    assert kafka["ClientAuthentication"]["Sasl"]["Scram"]["Enabled"] is True
    assert kafka["ClientAuthentication"]["Unauthenticated"]["Enabled"] is False
    assert kafka["EncryptionInfo"]["EncryptionInTransit"] == {"ClientBroker": "TLS", "InCluster": True}


@pytest.mark.shows("ASVS 12.3.1", "API8")
def test_documents_are_nobodys_to_see(account):
    s3, name = boto3.client("s3"), account["documents"]
    assert set(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values()) == {True}
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    [rule] = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == account["data-key"]
    policy = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])
    denied = {each["Sid"]: each for each in policy["Statement"] if each["Effect"] == "Deny"}
    assert denied["TlsOnly"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert set(denied["TlsOnly"]["Resource"]) == {f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"}
    assert [each for each in policy["Statement"] if each["Effect"] == "Allow"] == []
    rules = {each["ID"]: each for each in s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]}
    assert set(rules) == {"past-versions", "broken-uploads", "seldom-read"}
    assert "Expiration" not in rules["seldom-read"], "invoices are kept"


def test_the_edge_speaks_tls_alone_and_stands_behind_the_firewall(account):
    elb, waf = boto3.client("elbv2"), boto3.client("wafv2")
    balancers = {each["LoadBalancerName"]: each for each in elb.describe_load_balancers()["LoadBalancers"]}
    assert {name: each["Scheme"] for name, each in balancers.items()} == {
        "guilder": "internet-facing",
        "guilder-inner": "internal",
    }
    for each in balancers.values():
        for listener in elb.describe_listeners(LoadBalancerArn=each["LoadBalancerArn"])["Listeners"]:
            if listener["Protocol"] == "HTTP":
                assert listener["DefaultActions"][0]["RedirectConfig"]["Protocol"] == "HTTPS"
            else:
                assert listener["SslPolicy"].startswith("ELBSecurityPolicy-TLS13-1-2")
        assert waf.get_web_acl_for_resource(ResourceArn=each["LoadBalancerArn"])["WebACL"]["Name"] == "guilder"


def test_pay_comes_through_api_gateway_no_faster_than_it_may(account):
    gateway = boto3.client("apigatewayv2")
    [api] = gateway.get_apis()["Items"]
    assert [each["RouteKey"] for each in gateway.get_routes(ApiId=api["ApiId"])["Items"]] == ["POST /pay"]
    [into] = gateway.get_integrations(ApiId=api["ApiId"])["Items"]
    assert (into["ConnectionType"], into["IntegrationType"]) == ("VPC_LINK", "HTTP_PROXY")
    [stage] = gateway.get_stages(ApiId=api["ApiId"])["Items"]
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == 100


# ---- the processes ----


def _task(role: str) -> dict[str, Any]:
    return boto3.client("ecs").describe_task_definition(taskDefinition=f"guilder-{role}")["taskDefinition"]


def _ours(task: dict[str, Any]) -> dict[str, Any]:
    return next(each for each in task["containerDefinitions"] if each["name"] != "collector")


@pytest.mark.shows("API8")
@pytest.mark.parametrize("role", ROLES)
def test_a_task_is_nobody_writes_nowhere_and_has_time_to_stop(account, role):
    task = _task(role)
    ours = _ours(task)
    assert ours["user"] == "10001"
    assert ours["readonlyRootFilesystem"] is True
    assert ours["linuxParameters"]["capabilities"]["drop"] == ["ALL"]
    assert role in ONCE or ours["stopTimeout"] > GRACE_S
    assert {each["readonlyRootFilesystem"] for each in task["containerDefinitions"]} == {True}
    groups = {each["logGroupName"] for each in boto3.client("logs").describe_log_groups()["logGroups"]}
    assert {each["logConfiguration"]["options"]["awslogs-group"] for each in task["containerDefinitions"]} <= groups


@pytest.mark.parametrize("role", [role for role in ROLES if role != "prepare"])
def test_a_task_runs_a_command_that_there_is(account, role):
    ours = _ours(_task(role))
    assert ours["entryPoint"] == ["guilder"]
    command = whole().commands[ours["command"][0]]
    options = {name for parameter in command.params for name in parameter.opts}
    assert set(ours["command"][1:]) <= options


def _value(arn: str) -> str:
    """Read a secret as ECS does: `ARN`, or `ARN:key::` of one that is JSON."""
    parts = arn.split(":")
    text = boto3.client("secretsmanager").get_secret_value(SecretId=":".join(parts[:7]))["SecretString"]
    return json.loads(text)[parts[7]] if len(parts) > 7 else text


@pytest.mark.shows("ASVS 13.3.1", "ASVS 13.2.3", "PCI 2.2.2")
@pytest.mark.parametrize("role", ROLES)
def test_a_task_is_given_settings_and_each_secret_as_a_secret(account, role):
    ours = _ours(_task(role))
    known = {name.upper(): field for name, field in Settings.model_fields.items()}
    plain, secret = {e["name"] for e in ours["environment"]}, {e["name"] for e in ours.get("secrets", [])}
    assert (plain | secret) - known.keys() == NO_SETTINGS.get(role, set())
    hidden = {name for name, field in known.items() if is_secret(field)}
    # The name of a key of KMS is no secret; the key never leaves it.
    assert plain & hidden <= {"GUILDER_MASTER_KEY"}


@pytest.mark.shows("API8")
@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("role", ["api", "worker", "scheduler", "relay", "migrate", "doctor"])
def test_the_settings_of_a_task_are_fit_for_production(account, role):
    ours = _ours(_task(role))
    given = {e["name"]: e["value"] for e in ours["environment"]} | {
        e["name"]: _value(e["valueFrom"]) for e in ours["secrets"]
    }
    settings = Settings(_env_file=None, **{name.lower(): value for name, value in given.items() if value})
    assert settings.is_production
    unsafe = [f"{each.setting} {each.what}" for each in findings(settings) if each.weight is not Weight.NOTE]
    # A command that is soon over serves nobody a link.
    assert [each for each in unsafe if role not in ONCE or not each.startswith("PUBLIC_URL")] == []
    url = urlsplit(settings.database_url.get_secret_value())
    assert (url.path, url.query) == ("/guilder", "sslmode=verify-full&sslrootcert=/etc/guilder/rds.pem")
    assert quote(url.password, safe="") == url.password, "a password that an address need not escape"
    if role in {"worker", "relay"}:
        assert (settings.kafka_security_protocol, settings.kafka_sasl_mechanism) == ("SASL_SSL", "SCRAM-SHA-512")
        assert settings.kafka_sasl_username == "guilder"


@pytest.mark.shows("ASVS 13.3.1")
@pytest.mark.parametrize("role", ROLES)
def test_a_task_may_open_the_secrets_that_it_is_given_and_no_other(account, role):
    task, iam = _task(role), boto3.client("iam")
    given = {
        ":".join(each["valueFrom"].split(":")[:7])
        for c in task["containerDefinitions"]
        for each in c.get("secrets", [])
    }
    name = task["executionRoleArn"].rpartition("/")[2]
    [policy] = iam.list_role_policies(RoleName=name)["PolicyNames"]
    document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    # moto tells a policy that came by CloudFormation as Python writes it, which is YAML, too.
    [said] = (yaml.safe_load(document) if isinstance(document, str) else document)["Statement"]
    assert said["Action"] == "secretsmanager:GetSecretValue"
    patterns = [re.compile(re.escape(each).replace(r"\?", ".")) for each in _listed(said["Resource"])]
    assert all(sum(bool(p.fullmatch(arn)) for p in patterns) == 1 for arn in given)
    assert [p.pattern for p in patterns if not any(p.fullmatch(arn) for arn in given)] == []


def test_a_release_that_does_not_come_up_is_taken_back(account):
    ecs = boto3.client("ecs")
    arns = ecs.list_services(cluster="guilder")["serviceArns"]
    services = {
        each["serviceName"]: each for each in ecs.describe_services(cluster="guilder", services=arns)["services"]
    }
    assert set(services) == {"api", "worker", "scheduler", "relay"}
    for name, each in (
        (name, each["Properties"])
        for name, each in TEMPLATES["services"]["Resources"].items()
        if each["Type"] == "AWS::ECS::Service"
    ):
        rolling = each["DeploymentConfiguration"]
        assert rolling["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}, name
        assert rolling["MinimumHealthyPercent"] == 100, name
        assert each["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "DISABLED", name


def test_the_api_grows_by_its_load_and_workers_by_what_waits(account):
    scaling = boto3.client("application-autoscaling")
    found = {
        (e["ResourceId"], e["PolicyName"])
        for e in scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
    }
    api, worker = "service/guilder/api", "service/guilder/worker"
    assert found == {(api, "cpu"), (api, "requests"), (worker, "lag"), (worker, "cpu")}
    for name in ("Api", "Worker"):
        assert "DesiredCount" not in TEMPLATES["services"]["Resources"][name]["Properties"], (
            "an update would set it back"
        )


# ---- who watches ----


def test_every_alarm_tells_somebody_and_names_a_page_that_there_is(account):
    # Scaling makes alarms of its own, which tell nobody but it.
    alarms = boto3.client("cloudwatch").describe_alarms(AlarmNamePrefix="guilder-")["MetricAlarms"]
    written = [each for each in TEMPLATES["watching"]["Resources"].values() if each["Type"] == "AWS::CloudWatch::Alarm"]
    assert len(alarms) == len(written) > 25
    [topic] = [each["TopicArn"] for each in boto3.client("sns").list_topics()["Topics"]]
    for alarm in alarms:
        assert alarm["AlarmActions"] == [topic], alarm["AlarmName"]
        page, _, heading = re.search(r"docs/operations/(\S+)", alarm["AlarmDescription"])[1].partition("#")
        text = (ROOT / "docs/operations" / page).read_text()
        anchors = {
            re.sub(r"[^a-z0-9 -]", "", line.lower()).strip().replace(" ", "-")
            for line in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        }
        assert not heading or heading in anchors, alarm["AlarmDescription"]


def test_the_collector_sends_the_figures_that_alarms_and_scaling_ask_for(account):
    config = yaml.safe_load(boto3.client("ssm").get_parameter(Name="/guilder/collector")["Parameter"]["Value"])
    selected = [
        re.compile(one)
        for each in config["exporters"]["awsemf"]["metric_declarations"]
        for one in each["metric_name_selectors"]
    ]
    asked = {
        a["MetricName"]
        for a in boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]
        if a.get("Namespace") == "Guilder"
    }
    asked.add("guilder_log_lag")
    there = {each.name for each in metrics.registry.collect()} | set(metrics.GATHERED)
    assert {name for name in asked if not any(one.search(name) for one in selected)} == set()
    assert asked - there == set(), "no such figure of ours"
    [job] = config["receivers"]["prometheus"]["config"]["scrape_configs"]
    assert job["static_configs"][0]["targets"] == ["127.0.0.1:${env:METRICS_PORT}"]


@pytest.mark.parametrize("role", ["api", "worker", "scheduler", "relay"])
def test_the_collector_asks_the_port_that_its_neighbour_answers_on(account, role):
    task = _task(role)
    [collector] = [each for each in task["containerDefinitions"] if each["name"] == "collector"]
    its = {each["name"]: each["value"] for each in collector["environment"]}
    neighbours = {each["name"]: each["value"] for each in _ours(task)["environment"]}
    assert its["METRICS_PORT"] == neighbours["PORT" if role == "api" else "METRICS_PORT"]
    assert [each["name"] for each in collector["secrets"]] == ["METRICS_TOKEN"]
    assert collector["essential"] is False
