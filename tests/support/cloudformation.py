"""CloudFormation into moto: what moto's own does not make is made here, by the calls that AWS would make itself.

moto knows the services, but its CloudFormation knows a part of them. `MADE` adds the rest, each by one call of its API;
`NOT_MADE` are the few that moto has no place for at all, and why that may be.
"""

import json
import re
import secrets
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import boto3

# jsonschema reads some forty grammars of addresses at its import, if this is there: seconds, and nothing here asks for it.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
import cfnlint.decode  # noqa: E402
from moto.cloudformation import parsing  # noqa: E402
from moto.core.common_models import CloudFormationModel  # noqa: E402

if sys.modules.get("rfc3987_syntax", ...) is None:
    del sys.modules["rfc3987_syntax"]

Properties = dict[str, Any]
Made = tuple[str, Mapping[str, str]]

NOT_MADE = {
    "AWS::ElastiCache::ParameterGroup": "moto has no parameter groups of ElastiCache",
    "AWS::MSK::BatchScramSecret": "moto's Kafka has no logins",
    "AWS::MSK::Configuration": "moto's Kafka has no configurations",
}


FOLDER = Path(__file__).parents[2] / "deploy" / "aws"
STACKS = ("network", "data", "cluster", "edge", "services", "watching")


@cache
def templates() -> dict[str, dict[str, Any]]:
    """Return all stacks' templates, in the order in which they go up."""
    return {name: _template(FOLDER / f"{name}.yaml") for name in STACKS}


def _template(path: Path) -> dict[str, Any]:
    """Read a template, with its short forms (`!Ref`) written out."""
    read, problems = cfnlint.decode.decode(str(path))
    assert not problems, problems
    found: dict[str, Any] = json.loads(json.dumps(read))
    return found


def deploy(name: str, body: Mapping[str, Any], parameters: Mapping[str, str]) -> None:
    """Create a stack of moto's, as `aws cloudformation deploy` would."""
    _client.cache_clear()  # they are of the account and region of their time
    boto3.client("cloudformation").create_stack(
        StackName=name,
        TemplateBody=json.dumps(body),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )


@cache
def _client(service: str) -> Any:
    return boto3.client(service)


def _named(value: Any) -> Any:
    """Put names in place of moto's own objects, which is what a `Ref` of it gives."""
    if isinstance(value, Mapping):
        return {key: _named(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_named(each) for each in value]
    if isinstance(value, str):
        return _SECRET.sub(_resolved, value)
    return getattr(value, "physical_resource_id", value)


# AWS puts a secret's value in place of this when it makes the resource; moto leaves it as it stands.
_SECRET = re.compile(r"\{\{resolve:secretsmanager:(arn:[^{}]+?):SecretString(?::(\w+))?\}\}")


def _resolved(found: re.Match[str]) -> str:
    text = str(_client("secretsmanager").get_secret_value(SecretId=found[1])["SecretString"])
    return str(json.loads(text)[found[2]]) if found[2] else text


def _fitted(shape: Any, value: Any) -> Any:
    """Give a property the type that the API's description wants: CloudFormation writes numbers and booleans as text."""
    match shape.type_name:
        case "structure":
            return {key: _fitted(shape.members[key], each) for key, each in value.items() if key in shape.members}
        case "list":
            return [_fitted(shape.member, each) for each in value]
        case "map":
            return {key: _fitted(shape.value, each) for key, each in value.items()}
        case "boolean":
            return value if isinstance(value, bool) else str(value).lower() == "true"
        case "integer" | "long":
            return int(value)
        case "double" | "float":
            return float(value)
        case "string":
            return str(value)
    return value


def _call(service: str, operation: str, properties: Properties) -> dict[str, Any]:
    client = _client(service)
    name = client.meta.method_to_api_mapping[operation]
    shape = client.meta.service_model.operation_model(name).input_shape
    answer: dict[str, Any] = getattr(client, operation)(**_fitted(shape, properties))
    return answer


def _secret(properties: Properties) -> Made:
    how = properties.pop("GenerateSecretString", None)
    if how is not None:
        word = secrets.token_hex(int(how["PasswordLength"]) // 2)
        template = json.loads(how.get("SecretStringTemplate", "{}"))
        properties["SecretString"] = json.dumps({**template, how["GenerateStringKey"]: word}) if template else word
    arn = _call("secretsmanager", "create_secret", properties)["ARN"]
    return arn, {}


def _bucket(properties: Properties) -> Made:
    name = properties["BucketName"]
    client = _client("s3")
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": client.meta.region_name})
    for operation, argument, key in (
        ("put_public_access_block", "PublicAccessBlockConfiguration", "PublicAccessBlockConfiguration"),
        ("put_bucket_ownership_controls", "OwnershipControls", "OwnershipControls"),
        ("put_bucket_versioning", "VersioningConfiguration", "VersioningConfiguration"),
    ):
        if key in properties:
            _call("s3", operation, {"Bucket": name, argument: properties[key]})
    [rule] = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    by_default = rule["ServerSideEncryptionByDefault"]
    rule = {**rule, "ApplyServerSideEncryptionByDefault": by_default}
    _call("s3", "put_bucket_encryption", {"Bucket": name, "ServerSideEncryptionConfiguration": {"Rules": [rule]}})
    rules = [_lifecycle(each) for each in properties["LifecycleConfiguration"]["Rules"]]
    _call("s3", "put_bucket_lifecycle_configuration", {"Bucket": name, "LifecycleConfiguration": {"Rules": rules}})
    return name, {"Arn": f"arn:aws:s3:::{name}"}


def _lifecycle(rule: Properties) -> Properties:
    """Say a rule as S3 does; CloudFormation has names of its own for days."""
    said = {**rule, "ID": rule["Id"], "Filter": {"Prefix": ""}}
    if "ExpirationInDays" in rule:
        said["Expiration"] = {"Days": rule["ExpirationInDays"]}
    if "Transitions" in rule:
        said["Transitions"] = [
            {"StorageClass": at["StorageClass"], "Days": at["TransitionInDays"]} for at in rule["Transitions"]
        ]
    return said


def _bucket_policy(properties: Properties) -> Made:
    policy = json.dumps(properties["PolicyDocument"])
    _client("s3").put_bucket_policy(Bucket=properties["Bucket"], Policy=policy)
    return properties["Bucket"], {}


def _group(properties: Properties) -> Made:
    said = {"GroupName": f"group-{secrets.token_hex(6)}", "Description": properties["GroupDescription"], **properties}
    made: str = _call("ec2", "create_security_group", said)["GroupId"]
    _client("ec2").create_tags(Resources=[made], Tags=properties["Tags"])
    # AWS takes "everything out" away where a template says what may go out; moto would leave it.
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    _call("ec2", "revoke_security_group_egress", {"GroupId": made, "IpPermissions": everything})
    for rule in properties["SecurityGroupEgress"]:
        out = [{"IpProtocol": rule["IpProtocol"], "IpRanges": [{"CidrIp": rule["CidrIp"]}]}]
        _call("ec2", "authorize_security_group_egress", {"GroupId": made, "IpPermissions": out})
    return made, {"GroupId": made}


def _association(properties: Properties) -> Made:
    return _call("ec2", "associate_route_table", properties)["AssociationId"], {}


def _egress(properties: Properties) -> Made:
    rule: Properties = {key: properties[key] for key in ("IpProtocol", "FromPort", "ToPort")}
    if "CidrIp" in properties:
        rule["IpRanges"] = [{"CidrIp": properties["CidrIp"]}]
    else:
        rule["UserIdGroupPairs"] = [{"GroupId": properties["DestinationSecurityGroupId"]}]
    _call("ec2", "authorize_security_group_egress", {"GroupId": properties["GroupId"], "IpPermissions": [rule]})
    return f"egress-{secrets.token_hex(6)}", {}


def _redis(properties: Properties) -> Made:
    made = _call("elasticache", "create_replication_group", properties)["ReplicationGroup"]
    name = made["ReplicationGroupId"]
    return name, {"PrimaryEndPoint.Address": f"master.{name}.cache.amazonaws.com"}


def _kafka(properties: Properties) -> Made:
    arn = _call("kafka", "create_cluster", {**properties, "ConfigurationInfo": {"Arn": "arn:none", "Revision": 1}})[
        "ClusterArn"
    ]
    return arn, {"Arn": arn}


def _camel(value: Any) -> Any:
    """Say names as ECS's API does: `containerDefinitions`, where CloudFormation has a capital."""
    if isinstance(value, Mapping):
        return {key[0].lower() + key[1:]: _camel(each) for key, each in value.items()}
    return [_camel(each) for each in value] if isinstance(value, list) else value


def _task(properties: Properties) -> Made:
    return _call("ecs", "register_task_definition", _camel(properties))["taskDefinition"]["taskDefinitionArn"], {}


def _scalable(properties: Properties) -> Made:
    _call("application-autoscaling", "register_scalable_target", properties)
    return "|".join(properties[key] for key in ("ResourceId", "ScalableDimension", "ServiceNamespace")), {}


def _scaling(properties: Properties) -> Made:
    resource, dimension, space = properties.pop("ScalingTargetId").split("|")
    where = {"ResourceId": resource, "ScalableDimension": dimension, "ServiceNamespace": space}
    return _call("application-autoscaling", "put_scaling_policy", properties | where)["PolicyARN"], {}


def _firewall(properties: Properties) -> Made:
    made = _call("wafv2", "create_web_acl", properties)["Summary"]
    return made["Id"], {"Arn": made["ARN"]}


def _firewall_before(properties: Properties) -> Made:
    wall = {"WebACLArn": properties["WebACLArn"], "ResourceArn": properties["ResourceArn"]}
    _call("wafv2", "associate_web_acl", wall)
    return f"{wall['WebACLArn']}|{wall['ResourceArn']}", {}


def _http_api(operation: str, key: str) -> Callable[[Properties], Made]:
    def make(properties: Properties) -> Made:
        return _call("apigatewayv2", operation, properties)[key], {}

    return make


def _domain(properties: Properties) -> Made:
    made = _call("apigatewayv2", "create_domain_name", properties)
    name = made["DomainName"]
    return name, {"RegionalDomainName": f"d-1.{name}", "RegionalHostedZoneId": "Z2"}


def _alarm(properties: Properties) -> Made:
    _call("cloudwatch", "put_metric_alarm", properties)
    return properties["AlarmName"], {}


def _topic_policy(properties: Properties) -> Made:
    [topic] = properties["Topics"]
    said = {"TopicArn": topic, "AttributeName": "Policy", "AttributeValue": json.dumps(properties["PolicyDocument"])}
    _call("sns", "set_topic_attributes", said)
    return topic, {}


def _subscription(properties: Properties) -> Made:
    return _call("sns", "subscribe", properties | {"ReturnSubscriptionArn": True})["SubscriptionArn"], {}


def _provider(properties: Properties) -> Made:
    arn = _call("iam", "create_open_id_connect_provider", {**properties, "ClientIDList": properties["ClientIdList"]})
    return arn["OpenIDConnectProviderArn"], {}


def _subnets(properties: Properties) -> Made:
    said = properties | {"CacheSubnetGroupDescription": properties["Description"]}
    return _call("elasticache", "create_cache_subnet_group", said)["CacheSubnetGroup"]["CacheSubnetGroupName"], {}


def _balancer(properties: Properties) -> Made:
    attributes = properties.pop("LoadBalancerAttributes", [])
    [made] = _call("elbv2", "create_load_balancer", properties)["LoadBalancers"]
    arn = made["LoadBalancerArn"]
    _call("elbv2", "modify_load_balancer_attributes", {"LoadBalancerArn": arn, "Attributes": attributes})
    full = arn.partition("loadbalancer/")[2]
    return arn, {
        "DNSName": made["DNSName"],
        "CanonicalHostedZoneID": made["CanonicalHostedZoneId"],
        "LoadBalancerFullName": full,
    }


def _targets(properties: Properties) -> Made:
    properties.pop("TargetGroupAttributes", None)  # moto refuses those of an application balancer that are new
    [made] = _call("elbv2", "create_target_group", properties)["TargetGroups"]
    arn = made["TargetGroupArn"]
    return arn, {"TargetGroupFullName": arn.rpartition(":")[2]}


def _listener(properties: Properties) -> Made:
    [made] = _call("elbv2", "create_listener", properties)["Listeners"]
    return made["ListenerArn"], {}


def _listener_rule(properties: Properties) -> Made:
    [made] = _call("elbv2", "create_rule", properties)["Rules"]
    return made["RuleArn"], {}


def _database(properties: Properties) -> Made:
    groups = {"VpcSecurityGroupIds": properties["VPCSecurityGroups"]}
    if "SourceDBInstanceIdentifier" in properties:
        made = _call("rds", "create_db_instance_read_replica", properties | groups)["DBInstance"]
    else:
        made = _call("rds", "create_db_instance", properties | groups)["DBInstance"]
    return made["DBInstanceIdentifier"], {"Endpoint.Address": made["Endpoint"]["Address"]}


def _database_parameters(properties: Properties) -> Made:
    name = f"parameters-{secrets.token_hex(4)}"
    said = {"DBParameterGroupName": name, "DBParameterGroupFamily": properties["Family"]} | properties
    _call("rds", "create_db_parameter_group", said)
    set_to = [
        {"ParameterName": key, "ParameterValue": value, "ApplyMethod": "pending-reboot"}
        for key, value in properties["Parameters"].items()
    ]
    _call("rds", "modify_db_parameter_group", {"DBParameterGroupName": name, "Parameters": set_to})
    return name, {}


def _database_subnets(properties: Properties) -> Made:
    return _call("rds", "create_db_subnet_group", properties)["DBSubnetGroup"]["DBSubnetGroupName"], {}


def _nothing(properties: Properties) -> Made:
    return f"not-made-{secrets.token_hex(6)}", {}


MADE: dict[str, Callable[[Properties], Made]] = {
    "AWS::ApiGatewayV2::Api": _http_api("create_api", "ApiId"),
    "AWS::ApiGatewayV2::ApiMapping": _http_api("create_api_mapping", "ApiMappingId"),
    "AWS::ApiGatewayV2::DomainName": _domain,
    "AWS::ApiGatewayV2::Integration": _http_api("create_integration", "IntegrationId"),
    "AWS::ApiGatewayV2::Route": _http_api("create_route", "RouteId"),
    "AWS::ApiGatewayV2::Stage": _http_api("create_stage", "StageName"),
    "AWS::ApiGatewayV2::VpcLink": _http_api("create_vpc_link", "VpcLinkId"),
    "AWS::ApplicationAutoScaling::ScalableTarget": _scalable,
    "AWS::ApplicationAutoScaling::ScalingPolicy": _scaling,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::EC2::SecurityGroup": _group,
    "AWS::EC2::SecurityGroupEgress": _egress,
    "AWS::ECS::TaskDefinition": _task,
    "AWS::EC2::SubnetRouteTableAssociation": _association,
    "AWS::ElastiCache::ReplicationGroup": _redis,
    "AWS::ElastiCache::SubnetGroup": _subnets,
    "AWS::ElasticLoadBalancingV2::Listener": _listener,
    "AWS::ElasticLoadBalancingV2::ListenerRule": _listener_rule,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _balancer,
    "AWS::ElasticLoadBalancingV2::TargetGroup": _targets,
    "AWS::IAM::OIDCProvider": _provider,
    "AWS::MSK::Cluster": _kafka,
    "AWS::RDS::DBInstance": _database,
    "AWS::RDS::DBParameterGroup": _database_parameters,
    "AWS::RDS::DBSubnetGroup": _database_subnets,
    "AWS::S3::Bucket": _bucket,
    "AWS::S3::BucketPolicy": _bucket_policy,
    "AWS::SNS::Subscription": _subscription,
    "AWS::SNS::TopicPolicy": _topic_policy,
    "AWS::SecretsManager::Secret": _secret,
    "AWS::WAFv2::WebACL": _firewall,
    "AWS::WAFv2::WebACLAssociation": _firewall_before,
    **dict.fromkeys(NOT_MADE, _nothing),
}


def _model(kind: str, make: Callable[[Properties], Made]) -> type[CloudFormationModel]:
    """Make what moto looks for: a class of its own for each type; it knows them by their being subclasses."""

    def create(cls: type[Any], resource_name: str, cloudformation_json: Any, *rest: Any, **more: Any) -> Any:
        made = cls()
        made.physical_resource_id, made.attributes = make(_named(cloudformation_json.get("Properties", {})))
        return made

    def attribute(self: Any, name: str) -> str:
        # Of `Endpoint.Address` in a text moto asks for the first word only.
        return next(str(value) for key, value in self.attributes.items() if key == name or key.startswith(f"{name}."))

    members = {
        "cloudformation_name_type": staticmethod(lambda: ""),
        "cloudformation_type": staticmethod(lambda: kind),
        "create_from_cloudformation_json": classmethod(create),
        "has_cfn_attr": classmethod(lambda cls, attr: True),
        "get_cfn_attribute": attribute,
    }
    return type(kind.replace(":", ""), (CloudFormationModel,), members)


# Held, so that they are not collected; made after moto's own, so that of two of a type ours is found.
assert parsing.get_model_map.cache_info().currsize == 0
_MODELS = [_model(kind, make) for kind, make in MADE.items()]
