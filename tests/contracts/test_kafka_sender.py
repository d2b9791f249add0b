"""What becomes of whoever sends, when the client itself gives up; there is no broker here."""

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from guilder.platform.bus.kafka import sender
from guilder.platform.bus.kafka.connection import Connection
from guilder.platform.bus.kafka.record import Record
from guilder.platform.bus.kafka.sender import Sender
from guilder.platform.bus.kafka.topics import BrokerAway
from tests.support.ports import free_port


async def test_who_gives_a_producer_up_does_not_end_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is purged in flight is a fatal loss to the client, which says so to whoever looks next."""

    class Inconsolable(Producer):
        def poll(self, timeout: float = -1) -> int:
            if timeout:
                return super().poll(timeout)
            raise KafkaException(KafkaError(KafkaError._GAPLESS_GUARANTEE, "unable to satisfy it", fatal=True))

    monkeypatch.setattr(sender, "Producer", Inconsolable)
    sending = Sender(Connection(f"127.0.0.1:{free_port()}"), None, delivery_s=0.5)
    with pytest.raises(BrokerAway):
        await sending.send([Record("toy.events", 0, b"key", b"value", [])])
    await sending.close()
