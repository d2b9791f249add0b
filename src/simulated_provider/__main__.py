"""python -m simulated_provider --host 127.0.0.1 --port 4010 --data FOLDER"""

import argparse
import logging
from pathlib import Path

import uvicorn

from simulated_provider.app import create_app
from simulated_provider.protocol import HangUpProtocol

PORT = 4010
FINISH_WITHIN_S = 3  # a held answer must not hold the program, too


def server(
    *, data_folder: Path, host: str = "127.0.0.1", port: int = PORT, public_url: str | None = None
) -> uvicorn.Server:
    """Make the server, ready to run(); for whoever starts it inside a program of its own."""
    config = uvicorn.Config(
        create_app(data_folder, public_url=public_url),
        host=host,
        port=port,
        http=HangUpProtocol,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=FINISH_WITHIN_S,
    )
    return uvicorn.Server(config)


def main() -> None:
    parser = argparse.ArgumentParser(prog="simulated_provider", description="A payment provider that moves no money.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: this machine only)")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--data", type=Path, default=Path(".data/simulated-provider"), help="folder of its state")
    parser.add_argument("--public-url", help="where browsers find it, if not where it was called")
    parser.add_argument("--log-level", default="WARNING", type=str.upper)
    asked = parser.parse_args()
    logging.basicConfig(level=asked.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    server(data_folder=asked.data, host=asked.host, port=asked.port, public_url=asked.public_url).run()


if __name__ == "__main__":
    main()
