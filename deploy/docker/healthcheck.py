"""Whether this container does its work, for Docker's HEALTHCHECK: exit code 0 or 1, and one line.

A server is asked at PORT, the other roles at METRICS_PORT; a command that is soon over is not asked at all. Standard
library only: this runs every ten seconds.
"""

import contextlib
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

DOORS = {"serve": "PORT", "up": "PORT", "work": "METRICS_PORT", "schedule": "METRICS_PORT", "relay": "METRICS_PORT"}
TIMEOUT_S = 4


def role(command: bytes) -> str:
    """Return what `guilder` was started for, out of /proc/…/cmdline."""
    words = [word.decode(errors="replace") for word in command.split(b"\0") if word]
    places = [at for at, word in enumerate(words) if Path(word).name == "guilder"]
    return words[places[-1] + 1] if places and len(words) > places[-1] + 1 else ""


def commands() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield path.read_bytes()


def main() -> int:
    # Process 1, or under an init (`init: true`) its child.
    doors = [door for command in commands() if (door := os.environ.get(DOORS.get(role(command), ""), ""))]
    if not doors:
        print("no door to knock at; the process lives")
        return 0
    url = f"http://127.0.0.1:{doors[0]}/health"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            print(f"{url}: {answer.status}")
            return 0
    except (OSError, urllib.error.URLError) as error:
        print(f"{url}: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
