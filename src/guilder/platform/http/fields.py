"""What a body is made of: strict, closed models, and the types of their fields.

A model is read as JSON says, never coerced: `"1"` and `1.0` and `true` are not the number 1. What the parser itself
refuses everywhere (NUL, lone surrogates, card numbers, NaN, too long numbers) is in `parsing`.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import available_timezones

from fastapi import Query
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError, core_schema

from guilder.kernel import ids
from guilder.kernel.currency import is_currency
from guilder.kernel.money import MINOR_MAX
from guilder.platform.http.countries import COUNTRIES

METADATA_KEYS_MAX = 50
INSTANT_MIN, INSTANT_MAX = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
METADATA_KEY_MAX = 40
METADATA_VALUE_MAX = 500
EMAIL_MAX = 254
EXACT_MAX = 32  # a sign, 18 digits, a point, 12 digits
# As text, or the code that a tenant gave.
ID_MAX = 64
QUANTITY_MAX = 1_000_000_000
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
_EMAIL = re.compile(r"[^\s@<>(),;:\"\\\[\]\x00-\x20\x7f]{1,64}@[A-Za-z0-9.\-\u0080-\U0010ffff]{1,190}\.[^\s@.]{2,63}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")
# A date, a time, and a zone: without its offset an instant is not one.
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?([Zz]|[+-]\d\d:\d\d)")
_NUMBER = re.compile(r"[+-]?[\d._]+")
_EXACT = re.compile(r"-?(0|[1-9]\d{0,17})(\.\d{1,12})?")
_NOT_READ = frozenset({"metadata", "serialization", "default", "expected"})
_NUMBERS = frozenset({"int", "float", "bool"})
_FROM_TEXT = frozenset({"date", "datetime", "time", "timedelta"})


def _text_first(value: object) -> object:
    # pydantic reads 1700000000 and "1700000000" as seconds since 1970.
    if isinstance(value, (int, float)) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        raise PydanticCustomError("text_expected", "should be text such as 2026-01-31")
    return value


def _reads_text_first(node: dict[str, Any]) -> bool:
    # pydantic hands out a model's schema again wherever the model is named: what was done to it once is not done twice.
    return node.get("type") == "function-before" and node["function"]["function"] is _text_first


def _read_strictly(node: Any) -> None:
    if isinstance(node, (list, tuple)):
        for each in node:
            _read_strictly(each)
    if not isinstance(node, dict) or _reads_text_first(node):
        return
    for key, child in node.items():
        if key == "fields" or (isinstance(child, dict) and "type" in child and key not in _NOT_READ):
            for part in child.values() if key == "fields" and isinstance(child, dict) else (child,):
                _read_strictly(part)
        elif isinstance(child, (list, tuple)) and key not in _NOT_READ:
            _read_strictly(child)
    if node.get("type") in _NUMBERS:
        node["strict"] = True
    elif node.get("type") in _FROM_TEXT:
        inner = dict(node)
        node.clear()
        node.update(core_schema.no_info_before_validator_function(_text_first, inner))


class In(BaseModel):
    """What comes in: unknown fields are refused, nothing is coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        # pydantic's own strict mode would refuse an enum or a date that is still text, which is all that JSON has;
        # its lax mode would take "1", 1.0 and true for the number 1. So each number is strict, and each date is text.
        schema = handler(source)
        _read_strictly(schema)
        return schema


class Out(BaseModel):
    """What goes out."""

    model_config = ConfigDict(frozen=True)


@dataclass(frozen=True, slots=True)
class IdOf:
    """`SubscriptionRef = Annotated[SubscriptionId, IdOf("sub")]`: reads `sub_…` or a plain UUID, writes `sub_…`."""

    prefix: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._read,
            serialization=core_schema.plain_serializer_function_ser_schema(
                self._write, return_schema=core_schema.str_schema()
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "maxLength": ID_MAX, "examples": [f"{self.prefix}_01h455vb4pex5vsknk084sn02q"]}

    def _read(self, value: object) -> UUID:
        found = value if isinstance(value, UUID) else None
        if isinstance(value, str):
            found = ids.from_text(self.prefix, value)
        if found is None:
            raise PydanticCustomError(
                "bad_id", "should be an id such as {prefix}_…, or a UUID", {"prefix": self.prefix}
            )
        return found

    def _write(self, value: UUID) -> str:
        return ids.to_text(self.prefix, value)


@dataclass(frozen=True, slots=True)
class IdOrCode(IdOf):
    """`PlanRef = Annotated[PlanId | str, IdOrCode("plan")]`: an id, or else the code that the tenant gave it."""

    def _read(self, value: object) -> UUID | str:  # type: ignore[override]
        if isinstance(value, UUID):
            return value
        if isinstance(value, str):
            found = ids.from_text(self.prefix, value)
            if found is not None:
                return found
            if _CODE.fullmatch(value):
                return value
        raise PydanticCustomError("bad_id", "should be an id such as {prefix}_…, or a code", {"prefix": self.prefix})

    def _write(self, value: UUID | str) -> str:
        return value if isinstance(value, str) else ids.to_text(self.prefix, value)


@dataclass(frozen=True, slots=True)
class Text:
    """`name: Annotated[str, Text(200)]`: 1 to `max` characters, kept as they came."""

    max: int
    min: int = 1

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.str_schema(min_length=self.min, max_length=self.max, strict=True)


@dataclass(frozen=True, slots=True)
class Shape:
    """`Annotated[str, Shape(r"[a-z]{1,40}", "small letters, 40 at most")]`: text that is all of a form, which has words.

    Who sends another is told those, and not the pattern; the pattern is in the schema.
    """

    pattern: str
    words: str
    min: int | None = None
    max: int | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        text = core_schema.str_schema(min_length=self.min, max_length=self.max, strict=True)
        return core_schema.no_info_after_validator_function(self._read, text)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^{self.pattern}$"}

    def _read(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value):
            raise PydanticCustomError("string_pattern_mismatch", "should be {words}", {"words": self.words})
        return value


# Whom a list is about, wherever it can be asked.
CustomerQuery = Annotated[
    Annotated[str, Text(255)] | None, Query(description="`cus_…`, a UUID, or what your product calls it.")
]


def _currency(value: str) -> str:
    if not is_currency(value):
        raise PydanticCustomError("unknown_currency", "should be an ISO 4217 currency code in capitals")
    return value


def _country(value: str) -> str:
    if value not in COUNTRIES:
        raise PydanticCustomError("unknown_country", "should be an ISO 3166 country code of two capitals")
    return value


def _zone(value: str) -> str:
    if value not in _zones():
        raise PydanticCustomError("unknown_time_zone", "should be an IANA time zone such as Europe/Amsterdam")
    return value


_known_zones: frozenset[str] = frozenset()


def _zones() -> frozenset[str]:
    # Read from disk once, when first asked for.
    global _known_zones  # noqa: PLW0603
    if not _known_zones:
        _known_zones = frozenset(available_timezones())
    return _known_zones


def _email(value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise PydanticCustomError("bad_email", "should be one email address")
    return value


def _email_or_none(value: str) -> str:
    return _email(value) if value else value


def _instant(value: object) -> object:
    if isinstance(value, str) and not _INSTANT.fullmatch(value):
        raise PydanticCustomError("bad_instant", "should be an ISO 8601 instant with its offset: 2026-01-31T09:00:00Z")
    if isinstance(value, (int, float)):
        raise PydanticCustomError("bad_instant", "should be text, an ISO 8601 instant with its offset")
    return value


def _to_utc(value: datetime) -> datetime:
    try:
        at = value.astimezone(UTC)
    except OverflowError as error:
        raise PydanticCustomError("bad_instant", "is out of range") from error
    # The first and the last that there are mean "for ever" to the database, and come back as no instants.
    if not INSTANT_MIN < at < INSTANT_MAX:
        raise PydanticCustomError("bad_instant", "is out of range")
    return at


def _exact(value: object) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, str) and _EXACT.fullmatch(value):
        return Decimal(value)
    raise PydanticCustomError(
        "bad_decimal", 'should be text such as "0.0125": up to 18 digits before the point and 12 after'
    )


def _plain(value: Decimal) -> str:
    return f"{value:f}"


def _metadata(value: dict[str, str]) -> dict[str, str]:
    if len(value) > METADATA_KEYS_MAX:
        raise PydanticCustomError("metadata_too_large", "should have at most 50 keys")
    return value


MinorAmount = Annotated[int, Field(strict=True, ge=-MINOR_MAX, le=MINOR_MAX)]
NonNegativeAmount = Annotated[int, Field(strict=True, ge=0, le=MINOR_MAX)]
PositiveAmount = Annotated[int, Field(strict=True, ge=1, le=MINOR_MAX)]
Quantity = Annotated[int, Field(strict=True, ge=1, le=QUANTITY_MAX)]
CurrencyCode = Annotated[str, Field(strict=True, min_length=3, max_length=3), AfterValidator(_currency)]
CountryCode = Annotated[str, Field(strict=True, min_length=2, max_length=2), AfterValidator(_country)]
TimeZone = Annotated[str, Field(strict=True, max_length=64), AfterValidator(_zone)]
Language = Annotated[str, Shape(_LANGUAGE.pattern, "a language tag such as en, pt-BR or zh-Hant", max=12)]
Email = Annotated[str, Field(strict=True, max_length=EMAIL_MAX), AfterValidator(_email)]
# Of a change: an empty text takes the address away.
EmailOrNone = Annotated[str, Field(strict=True, max_length=EMAIL_MAX), AfterValidator(_email_or_none)]
Instant = Annotated[datetime, BeforeValidator(_instant), AfterValidator(_to_utc)]
# An exact decimal (a unit price, a rate, a share) travels as text: JSON numbers are floats to most readers.
Exact = Annotated[
    Decimal,
    BeforeValidator(_exact),
    PlainSerializer(_plain, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": f"^{_EXACT.pattern}$", "maxLength": EXACT_MAX, "examples": ["0.0125"]}
    ),
]
Code = Annotated[str, Shape(_CODE.pattern, "a code of up to 64 letters, digits and _ . : -, a letter or digit first")]
Name = Annotated[str, Text(200)]
Note = Annotated[str, Text(2000)]
Metadata = Annotated[
    dict[
        Annotated[str, Field(strict=True, min_length=1, max_length=METADATA_KEY_MAX)],
        Annotated[str, Field(strict=True, max_length=METADATA_VALUE_MAX)],
    ],
    AfterValidator(_metadata),
    Field(json_schema_extra={"maxProperties": METADATA_KEYS_MAX}),
]
