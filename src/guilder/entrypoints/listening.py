"""Whether the API can listen where it should: said before anything is started."""

import errno
import socket

from guilder.kernel.errors import Foreseen
from guilder.platform.config import Settings


class PortTaken(Foreseen):
    """Another program has the port."""


class CannotListen(Foreseen):
    """This machine does not let us listen there."""


def refuse_taken_port(settings: Settings) -> None:
    """Say so before anything is started.

    :raises PortTaken: another program listens where the API should
    :raises CannotListen: HOST is no address of this machine, or PORT is one of the system's
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTaken(
                    f"Port {settings.port} is taken, by another Guilder or another program; stop it, or choose another: PORT=4001 make up"
                ) from error
            raise CannotListen(
                f"this machine cannot listen at HOST={settings.host} PORT={settings.port}: {error.strerror or error}"
            ) from error
