"""A bucket of moto that checks who asks, and what S3 would say to a signed link.

moto checks the signatures and policies of calls; of links it does not, so they are judged here, from the description of
AWS's Signature Version 4 and not by the library that made them.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import boto3
import httpx
from moto.server import ThreadedMotoServer

from guilder.platform.outside.files import S3Access

REGION = "eu-central-1"
_MAY: list[dict[str, Any]] = [
    {
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
        "Resource": "arn:aws:s3:::documents/*",
    },
    # Of many objects at once moto asks at the bucket, AWS at each object.
    {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:DeleteObject"], "Resource": "arn:aws:s3:::documents"},
]


@dataclass(frozen=True, slots=True)
class Bucket:
    """The bucket `documents`, and somebody who may write, read, remove and list there, and nothing else."""

    endpoint_url: str
    key_id: str
    secret: str = field(repr=False)

    def access(self, **over: str) -> S3Access:
        return S3Access(
            **{
                "endpoint_url": self.endpoint_url,
                "region": REGION,
                "access_key_id": self.key_id,
                "secret_access_key": self.secret,
                **over,
            }
        )

    def environment(self, **over: str) -> dict[str, str]:
        return {
            "FILES_URL": "s3://documents/ours",
            "AWS_ENDPOINT_URL_S3": self.endpoint_url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": self.key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            **over,
        }

    def follow(self, link: str, *, at: datetime | None = None) -> httpx.Response:
        """Open a link as a browser would, at an instant."""
        if judged(link, secret=self.secret, at=at or datetime.now(UTC)) is not None:
            return httpx.Response(403)
        _, name, *path = urlsplit(link).path.split("/")
        mine = {"aws_access_key_id": self.key_id, "aws_secret_access_key": self.secret}
        s3 = boto3.client("s3", endpoint_url=self.endpoint_url, region_name=REGION, **mine)
        found = s3.get_object(Bucket=name, Key="/".join(path))
        return httpx.Response(200, headers={"content-type": found["ContentType"]}, content=found["Body"].read())


@contextmanager
def a_bucket() -> Iterator[Bucket]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        root = {"endpoint_url": url, "region_name": REGION, "aws_access_key_id": "r", "aws_secret_access_key": "r"}
        s3, iam = boto3.client("s3", **root), boto3.client("iam", **root)
        s3.create_bucket(Bucket="documents", CreateBucketConfiguration={"LocationConstraint": REGION})
        iam.create_user(UserName="guilder")
        iam.put_user_policy(
            UserName="guilder",
            PolicyName="documents",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": _MAY}),
        )
        made = iam.create_access_key(UserName="guilder")["AccessKey"]
        _check_from(url, 0)
        yield Bucket(url, made["AccessKeyId"], made["SecretAccessKey"])
    finally:
        _check_from(url, None)
        # What it keeps is the process's: the next one would find it there.
        httpx.post(f"{url}/moto-api/reset", trust_env=False, timeout=30).raise_for_status()
        server.stop()


def _check_from(url: str, count: int | None) -> None:
    """Have moto check who asks from its `count`th call on; never, where there is none."""
    said = b"inf" if count is None else str(count).encode()
    httpx.post(f"{url}/moto-api/reset-auth", content=said, trust_env=False, timeout=30).raise_for_status()


def judged(link: str, *, secret: str, at: datetime) -> str | None:
    """Return why S3 would refuse a link at an instant; None if it would not."""
    parts = urlsplit(link)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    signed_at = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if at >= signed_at + timedelta(seconds=int(query["X-Amz-Expires"])):
        return "expired"
    signature = query.pop("X-Amz-Signature")
    scope = query["X-Amz-Credential"].partition("/")[2]
    canonical = "\n".join(
        [
            "GET",
            quote(parts.path, safe="/-_.~"),
            "&".join(f"{quote(name, safe='-_.~')}={quote(query[name], safe='-_.~')}" for name in sorted(query)),
            f"host:{parts.netloc}\n",
            "host",
            "UNSIGNED-PAYLOAD",
        ]
    )
    text = "\n".join(["AWS4-HMAC-SHA256", query["X-Amz-Date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return None if hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), signature) else "signature"
