"""AWS KMS, by boto3 (the extra `aws`). Credentials and endpoint are boto3's own: a role, AWS_…, ~/.aws."""

import asyncio
from typing import Any

from guilder.platform.db.masters.sources import KeysUnreadable

try:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:  # the extra is not installed
    boto3 = None

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 10
TRIES_MAX = 3


class AwsKms:
    """One key of AWS KMS, by its ARN (`arn:aws:kms:eu-central-1:123456789012:key/…`)."""

    def __init__(self, arn: str, *, client: Any = None) -> None:
        """:raises KeysUnreadable: boto3 is missing, or this is no ARN of a KMS key"""
        parts = arn.split(":")
        if len(parts) < 6 or parts[0] != "arn" or parts[2] != "kms" or not parts[3]:
            raise KeysUnreadable(
                f"GUILDER_MASTER_KEY: {arn!r} is not the ARN of a KMS key (arn:aws:kms:REGION:…:key/…)"
            )
        if boto3 is None:
            raise KeysUnreadable("GUILDER_MASTER_KEY names AWS KMS, which needs the extra: pip install 'guilder[aws]'")
        self._arn = arn
        config = Config(
            connect_timeout=CONNECT_TIMEOUT_S, read_timeout=READ_TIMEOUT_S, retries={"max_attempts": TRIES_MAX}
        )
        self._client = client or boto3.client("kms", region_name=parts[3], config=config)

    async def wrap(self, secret: bytes, *, about: str) -> bytes:
        answer = await self._ask("encrypt", Plaintext=secret, EncryptionContext=_context(about))
        return bytes(answer["CiphertextBlob"])

    async def unwrap(self, wrapped: bytes, *, about: str) -> bytes:
        answer = await self._ask("decrypt", CiphertextBlob=wrapped, EncryptionContext=_context(about))
        return bytes(answer["Plaintext"])

    async def _ask(self, what: str, **said: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = await asyncio.to_thread(getattr(self._client, what), KeyId=self._arn, **said)
        except (BotoCoreError, ClientError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
            # Never the answer's own words: they may repeat what was asked.
            raise KeysUnreadable(f"GUILDER_MASTER_KEY: AWS KMS refused to {what} with {self._arn}: {code}") from error
        return answer


def _context(about: str) -> dict[str, str]:
    # Shown in CloudTrail, and needed again to decrypt: a wrapped key put in another's place does not open.
    return {"application": "guilder", "master_key": about}
