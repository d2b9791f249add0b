"""The demo's story: told in order, and every day's use once."""

import asyncio
from datetime import UTC, datetime, timedelta

from guilder.entrypoints.demo import company
from guilder.entrypoints.demo.story import DAYS, STORY

START = datetime(2026, 3, 1, 8, tzinfo=UTC)


class Listening:
    """An API that only notes what is used, and when that is said."""

    def __init__(self):
        self.start = START
        self.readings = []

    async def use(self, events):
        self.readings += events

    def __getattr__(self, name):
        async def nothing(*_, **__):
            return None

        return nothing


def told(chapter):
    api = Listening()

    async def all_of_it():
        for deed in chapter.deeds:
            await deed(api)

    asyncio.run(all_of_it())
    return api.readings


def test_chapters_follow_each_other_up_to_today():
    days = [chapter.day for chapter in STORY]
    assert days == sorted(set(days))
    assert days[-1] == DAYS


def test_each_reading_is_sent_once_after_it_happened():
    ids = []
    for chapter in STORY:
        for reading in told(chapter):
            assert datetime.fromisoformat(reading["timestamp"]) < START + timedelta(days=chapter.day)
            ids.append(reading["event_id"])
    assert len(set(ids)) == len(ids) == 2 * (DAYS - 5)


def test_what_is_used_is_what_is_sold():
    meters = {each["code"] for each in company.METERS}
    assert {reading["meter"] for chapter in STORY for reading in told(chapter)} == meters
    assert {charge["meter"] for charge in company.CLOUD["charges"]} == meters
