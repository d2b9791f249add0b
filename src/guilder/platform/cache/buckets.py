"""Token buckets in Redis: one round trip for all that a call takes from, and either all of them hold enough or none is touched.

Time is Redis's own: processes whose clocks differ share one bucket, and nobody's clock can fill it. A level is kept in
parts of a token, sixty million to one, so that a microsecond of `per_minute` is a whole number: no rounding adds up.
Levels stay under 2^53, below which Lua's numbers are exact: a bucket holds a million tokens at most.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from redis.exceptions import NoScriptError

from guilder.platform.cache.client import Client, Shared

SIZE_MAX = 1_000_000

SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local part = 60000000
local levels, answer = {}, {1}
for n, key in ipairs(KEYS) do
    local full, rate, cost = ARGV[3 * n - 2] * part, tonumber(ARGV[3 * n - 1]), ARGV[3 * n] * part
    local kept = redis.call('HMGET', key, 'level', 'at')
    local level = full
    if kept[1] and kept[2] then
        level = math.min(full, tonumber(kept[1]) + math.max(0, now - tonumber(kept[2])) * rate)
    end
    local missing = math.max(cost, part) - level
    levels[n] = level
    answer[2 * n] = math.floor(level / part)
    answer[2 * n + 1] = math.max(0, math.ceil(missing / rate))
    if missing > 0 then answer[1] = 0 end
end
if answer[1] == 0 then return answer end
for n, key in ipairs(KEYS) do
    local full, rate, cost = ARGV[3 * n - 2] * part, tonumber(ARGV[3 * n - 1]), ARGV[3 * n] * part
    if cost > 0 then
        local level = levels[n] - cost
        redis.call('HSET', key, 'level', string.format('%.0f', level), 'at', string.format('%.0f', now))
        redis.call('PEXPIRE', key, math.ceil((full - level) / rate / 1000) + 1000)
        answer[2 * n] = math.floor(level / part)
        answer[2 * n + 1] = math.max(0, math.ceil((math.max(cost, part) - level) / rate))
    end
end
return answer
"""
_SHA = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()  # as Redis names scripts


@dataclass(frozen=True, slots=True)
class Draw:
    """What is taken from one bucket: `cost` of its `size` tokens, which come back `per_minute`. Cost 0 only looks."""

    key: str
    size: int
    per_minute: int
    cost: int


@dataclass(frozen=True, slots=True)
class Level:
    """How many whole tokens are left, and in how many microseconds there are enough for as much again; 0: there are."""

    left: int
    wait_us: int


async def draw(shared: Shared, draws: Sequence[Draw]) -> tuple[bool, list[Level]]:
    """Take from all of these, or from none; the keys are of one slot.

    :raises Away: Redis was not asked, or has not answered
    """
    keys = [each.key for each in draws]
    assert all(0 < each.size <= SIZE_MAX and each.per_minute > 0 for each in draws), draws
    values = [value for each in draws for value in (each.size, each.per_minute, each.cost)]

    async def work(client: Client) -> list[int]:
        try:
            found: list[int] = await client.evalsha(_SHA, len(keys), *keys, *values)
        except NoScriptError:
            found = await client.eval(SCRIPT, len(keys), *keys, *values)  # which keeps it there
        return found

    is_allowed, *said = await shared.ask(work)
    return bool(is_allowed), [Level(left, wait) for left, wait in zip(said[::2], said[1::2], strict=True)]
