"""What a member of a consumer group was given is not passed by, whatever fails behind it."""

from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import KafkaError, KafkaException, Message

from guilder.platform.bus.kafka.connection import Connection
from guilder.platform.bus.kafka.hearing import Hearing


class Failing:
    """The client of a broker that goes away between one record and those behind it: it cannot be made to, to the moment."""

    def __init__(self) -> None:
        self.left = [Message(topic="t", partition=0, offset=offset, key=b"", value=b"") for offset in range(2)]

    def poll(self, _: float) -> Message | None:
        return self.left.pop(0) if self.left else None

    def consume(self, *_: float) -> list[Message]:
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    def close(self) -> None: ...


async def test_a_record_is_handed_on_though_those_behind_it_could_not_be_had() -> None:
    with ThreadPoolExecutor(1) as threads:
        hearing = Hearing(Connection("nowhere:9092"), "group", threads)
        hearing._consumer, hearing._subscribed = Failing(), frozenset({"t"})
        found = [each.offset for _ in range(2) for each in await hearing.receive(frozenset({"t"}), wait_s=0)]
        await hearing.close()
    assert found == [0, 1]
