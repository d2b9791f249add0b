"""The schedule of a storm: drawn from a seed before it begins, written down, and followed to the letter when replayed."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

CALM_S = 3.0  # before the first fault, and after the last is over
GAP_S = (2.0, 5.0)  # from one fault to the next; they overlap
REST_S = 2.0  # of one part, from one fault to the next
OF_PROCESSES = 0.6  # so many strike processes, the others what the provider answers

# What a fault of a part is: killed or crashed it is started again when the time is over, frozen it is let go on.
KILL, FREEZE, STOP, FLUSH, RELOAD, PROVIDER, WEBHOOKS = [
    "kill",
    "freeze",
    "stop",
    "flush",
    "reload",
    "provider",
    "webhooks",
]
# Not in any schedule: a process that ended by itself, with a good reason and without.
GAVE_UP, FELL = "gave up", "fell"
STRIKES = frozenset({KILL, FREEZE, STOP, GAVE_UP, FELL})
DATABASE = "primary"
DATABASES = frozenset({DATABASE, "replica"})


@dataclass(frozen=True, slots=True)
class Fault:
    """From `at` on, for so many seconds, this is done to a part; times are seconds since the storm began."""

    at: float
    kind: str
    part: str
    seconds: float
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def until(self) -> float:
        return self.at + self.seconds

    @property
    def says(self) -> str:
        more = " ".join(str(self.detail[name]) for name in ("mode", "op", "status") if name in self.detail)
        return f"{self.kind} {self.part} {more}".strip()


@dataclass(frozen=True, slots=True)
class Schedule:
    seed: int
    form: str
    seconds: float
    clients: int
    faults: tuple[Fault, ...]

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Schedule":
        said = json.loads(path.read_text())
        return cls(**{**said, "faults": tuple(Fault(**each) for each in said["faults"])})


@dataclass(frozen=True, slots=True)
class Card:
    """One kind of fault that may be drawn: how long it lasts is drawn between these."""

    kind: str
    part: str
    shortest_s: float
    longest_s: float
    detail: dict[str, Any] = field(default_factory=dict)


def drawn(*, seed: int, form: str, parts: Sequence[str], accounts: int, seconds: float, clients: int) -> Schedule:
    """Draw the schedule of a storm that lasts `seconds`; the same arguments draw the same one."""
    rng = random.Random(seed)
    hand = _Hand(rng, parts=parts, accounts=accounts, seconds=seconds)
    faults: list[Fault] = []
    at = CALM_S
    while at < seconds - CALM_S:
        if (card := hand.next(at)) is not None:
            lasts = round(min(rng.uniform(card.shortest_s, card.longest_s), seconds - CALM_S - at), 2)
            faults.append(Fault(round(at, 2), card.kind, card.part, lasts, card.detail))
            # Whatever was started again gets a moment to stand before the next blow.
            hand.busy[card.part] = at + lasts + REST_S
        at += rng.uniform(*GAP_S)
    return Schedule(seed, form, seconds, clients, tuple(faults))


class _Hand:
    """Deals first what every storm must have, then whatever was struck least; never what is down already."""

    def __init__(self, rng: random.Random, *, parts: Sequence[str], accounts: int, seconds: float) -> None:
        self.busy: dict[str, float] = {}
        self._rng = rng
        self._struck: Counter[str] = Counter()
        self._must = [*_first(rng, parts), *_first_of_accounts(rng, accounts)]
        rng.shuffle(self._must)
        self._processes = [card for part in parts for card in _of_part(part, seconds=seconds)]
        self._accounts = _of_accounts(accounts, seconds=seconds)

    def next(self, at: float) -> Card | None:
        card = next((each for each in self._must if self._is_free(each, at)), None)
        if card is not None:
            self._must.remove(card)
        else:
            cards = self._processes if self._rng.random() < OF_PROCESSES else self._accounts
            free = [each for each in cards if self._is_free(each, at)]
            least = min((self._struck[each.part] for each in free), default=0)
            card = self._rng.choice([each for each in free if self._struck[each.part] == least]) if free else None
        if card is not None:
            self._struck[card.part] += 1
        return card

    def _is_free(self, card: Card, at: float) -> bool:
        return self.busy.get(card.part, 0) <= at


def _first(rng: random.Random, parts: Sequence[str]) -> list[Card]:
    """Return a kill of one part of each role, and the database's crash."""
    roles: dict[str, list[str]] = {}
    for part in parts:
        roles.setdefault(role_of(part), []).append(part)
    killed = [role for role in ("api", "worker", "scheduler", "relay") if role in roles]
    found = [Card(KILL, rng.choice(roles[role]), 1, 4) for role in killed]
    found += [Card(KILL, DATABASE, 0.5, 2), Card(FREEZE, rng.choice(roles["worker"]), 2, 6)]
    return found + [Card(kind, part, 2, 5) for part, kind in (("kafka", STOP), ("redis", FLUSH)) if part in roles]


def _of_part(part: str, *, seconds: float) -> list[Card]:
    # In a longer storm parts are away for longer: 20 s in three minutes, 90 s at most.
    frozen_s = min(90.0, max(5.0, seconds / 9))
    killed, frozen = Card(KILL, part, 1, 6), Card(FREEZE, part, 2, frozen_s)
    match role_of(part):
        case "primary":
            return [Card(KILL, part, 0.5, 3), Card(FREEZE, part, 1, 5)]
        case "kafka":
            return [Card(STOP, part, 3, min(300.0, max(6.0, seconds / 6))), killed, frozen]
        case "redis":
            return [Card(STOP, part, 2, frozen_s), Card(FLUSH, part, 0, 0), killed, frozen]
        case "nginx":
            return [Card(RELOAD, part, 0, 0), Card(KILL, part, 1, 3)]
        case _:
            return [killed, frozen]


# As the provider has them (/sim/accounts/…/faults); GUARANTEES B1 (charged, no answer), B2 (not charged), B3, B4, C1.
FIRST_MODES: list[dict[str, Any]] = [
    {"mode": "drop_after", "op": "confirm", "times": 2},
    {"mode": "drop_before", "op": "confirm", "times": 2},
]
MODES: list[dict[str, Any]] = [
    *FIRST_MODES,
    {"mode": "drop_after", "op": "prepare", "times": 2},
    {"mode": "drop_after", "op": "refund", "times": 2},
    {"mode": "status", "op": "any", "status": 503},
    {"mode": "status", "op": "any", "status": 429, "retry_after": 1},
    {"mode": "html", "op": "confirm", "times": 2},
    {"mode": "truncated", "op": "confirm", "times": 2},
    {"mode": "unknown_status", "op": "confirm", "times": 2},
    {"mode": "wrong_amount", "op": "confirm", "times": 1},
    {"mode": "delay", "op": "confirm", "seconds": 4, "times": 4},
    {"mode": "webhook_first", "op": "confirm", "times": 3},
]
DELIVERIES: list[dict[str, Any]] = [
    {"mode": "drop"},
    {"mode": "duplicate", "copies": 5},
    {"mode": "hold"},
    {"mode": "reverse"},
]


def _first_of_accounts(rng: random.Random, accounts: int) -> list[Card]:
    """Return what each storm has at the provider, each at one account."""
    found = [Card(PROVIDER, f"account{rng.randint(1, accounts)}", 5, 8, mode) for mode in FIRST_MODES]
    return [*found, Card(WEBHOOKS, f"notices{rng.randint(1, accounts)}", 4, 8, DELIVERIES[0])]


def _of_accounts(accounts: int, *, seconds: float) -> list[Card]:
    longest = min(60.0, max(8.0, seconds / 10))
    numbers = range(1, accounts + 1)
    found = [Card(PROVIDER, f"account{number}", 5, longest, mode) for number in numbers for mode in MODES]
    return found + [Card(WEBHOOKS, f"notices{number}", 4, longest, mode) for number in numbers for mode in DELIVERIES]


def role_of(part: str) -> str:
    return part.rstrip("0123456789")
