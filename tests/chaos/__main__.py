"""`make chaos`: let it storm over an installation of this machine, and say what came of it (exit code 0 or 1)."""

import argparse
import asyncio
import os
import shutil
import sys
import time
from pathlib import Path

from tests.chaos import report
from tests.chaos.plan import Schedule
from tests.chaos.stages import FORMS
from tests.chaos.storm import CLIENTS, Wish, weather
from tests.support import kafka

# Debian keeps servers where only root's PATH looks.
SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
BUILD = Path(__file__).parents[2] / "build" / "chaos"


def main() -> int:
    asked = _asked()
    replay = Schedule.read(asked.replay) if asked.replay else None
    wish = Wish(
        form=replay.form if replay else asked.form,
        seed=replay.seed if replay else asked.seed,
        seconds=asked.minutes * 60,
        clients=asked.clients,
        replay=replay,
    )
    if wish.form == "spread" and (lacking := missing()):
        print(f"{', '.join(lacking)}: missing; `make system` installs it, and --form embedded does without.")
        return 2
    folder = BUILD / f"{wish.seed}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder.mkdir(parents=True)
    began = time.monotonic()
    outcome = asyncio.run(weather(wish, folder, say=lambda text: print(text, flush=True)))
    for finding in outcome.findings[: report.SHOWN_MAX]:
        print(f"FOUND  {finding}")
    print(f"{time.monotonic() - began:.0f} s; the report is {folder / 'report.md'}")
    print("Everything held." if outcome.is_well else f"To see it again: {report.again(folder)}")
    return 0 if outcome.is_well else 1


def missing() -> list[str]:
    programs = [each for each in ("nginx", "redis-server") if shutil.which(each, path=SEARCHED) is None]
    return programs + ([lacking] if (lacking := kafka.missing()) else [])


def _asked() -> argparse.Namespace:
    asking = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    asking.add_argument("--minutes", type=float, default=3.0, help="how long it storms")
    asking.add_argument("--seed", type=int, default=int(time.time()) % 100_000, help="what the schedule is drawn from")
    asking.add_argument(
        "--form", choices=FORMS, default="spread", help="everything spread out, or the fewest processes"
    )
    asking.add_argument("--clients", type=int, default=CLIENTS)
    asking.add_argument("--replay", type=Path, help="a schedule.json of another run, to be followed again")
    return asking.parse_args()


if __name__ == "__main__":
    sys.exit(main())
