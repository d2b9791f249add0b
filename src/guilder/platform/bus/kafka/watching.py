"""Watching: whether the brokers answer, asked behind the scenes, for whoever asks how this process is.

Nothing needs them: without an answer rows are found by looking, and wait in the log for the relay. But it is slower, and
what others read and publish there waits.
"""

import asyncio

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from guilder.platform.bus.kafka.connection import Connection
from guilder.platform.db.wakes import first

LOOK_EVERY_S = 10.0
ANSWER_S = 5.0


class Watch:
    """Asks who the brokers are, and remembers what came of it."""

    def __init__(self, connection: Connection, *, every_s: float = LOOK_EVERY_S, answer_s: float = ANSWER_S) -> None:
        self._connection = connection
        self._every_s = every_s
        self._answer_s = answer_s
        self._client: AdminClient | None = None
        self._reason: str | None = None

    def trouble(self) -> str | None:
        """Say why they are away; None while they are there, and until they have been asked."""
        return self._reason

    async def run(self, stop: asyncio.Event) -> None:
        """Ask every few seconds, until `stop`."""
        while not stop.is_set():
            await self.look()
            await first(stop, timeout_s=self._every_s)

    async def look(self) -> str | None:
        """Ask now."""
        try:
            if self._client is None:
                self._client = AdminClient(self._connection.client())
            asked = self._client.describe_cluster(request_timeout=self._answer_s)
            await asyncio.wait_for(asyncio.wrap_future(asked), 2 * self._answer_s)
            self._reason = None
        except Exception as error:  # noqa: BLE001  (whatever it is, it is looked at again)
            # Its kind alone: a text may hold what was sent.
            kind = error.args[0].name() if isinstance(error, KafkaException) else type(error).__name__
            self._reason = f"does not answer ({kind})"
        return self._reason
