"""Where an installation's processes come from: copies of one that has read the house in, which takes seconds each time.

The nurse is a process beside pytest. Asked for a program, it forks; the copy takes the environment, the words and the
log that it was given and runs the program as `python -m` does, to the end. It is as real a process as any: it has its
own memory, connections and death. `TESTS_FULL=1` starts every one from nothing, as an operating system would.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import random
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# What it can be asked for, by the name after `-m`; anything else is started from nothing.
PROGRAMS = frozenset({"guilder", "simulated_provider", "tests.support.fakes.paypal.house"})
READ_IN = ("guilder.entrypoints", "simulated_provider")
PAUSE_S = 0.01
ROOT = Path(__file__).parents[2]


class Child:
    """A process of the nurse's, with as much of Popen's face as is asked for."""

    def __init__(self, nurse: "Nurse", pid: int) -> None:
        self._nurse = nurse
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._nurse.ask({"poll": self.pid})
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        ends = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if ends is not None and time.monotonic() > ends:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            time.sleep(PAUSE_S)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Nurse:
    """The process that is copied, seen from pytest."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            start_new_session=True,  # Ctrl-C is for pytest, which then ends everything in order
        )

    def ask(self, question: Mapping[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._turn:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def bear(self, words: Sequence[str], environment: Mapping[str, str], log: Path) -> Child:
        asked = {"words": list(words), "environment": dict(environment), "log": str(log), "folder": str(Path.cwd())}
        return Child(self, int(self.ask(asked)))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


def born(command: Sequence[str], environment: Mapping[str, str], log: Path) -> "subprocess.Popen[bytes] | Child":
    """Start a program in a session of its own, with what it prints added to the log."""
    python, *words = command
    if python == sys.executable and len(words) > 1 and words[0] == "-m" and words[1] in PROGRAMS and _copies():
        return _nurse().bear(words[1:], environment, log)
    with log.open("ab") as file:
        return subprocess.Popen(command, env=dict(environment), stdout=file, stderr=file, start_new_session=True)


def _copies() -> bool:
    return os.environ.get("TESTS_FULL") != "1"


_nurses: list[Nurse] = []


def _nurse() -> Nurse:
    if not _nurses:
        _nurses.append(Nurse())
        atexit.register(_nurses[0].close)
    return _nurses[0]


# In the nurse's own process


def _read_in() -> None:
    for name in READ_IN:
        package = importlib.import_module(name)
        for each in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not each.name.endswith("__main__"):
                importlib.import_module(each.name)
    assert threading.active_count() == 1, "a copy would have one of its threads only"
    # What is here stays: the copies' collectors would only touch it, and so make copies of its pages.
    gc.collect()
    gc.freeze()


def _serve() -> dict[str, Any] | None:
    """Answer until nobody asks any more: None. In a copy: return what it is to be."""
    codes: dict[int, int | None] = {}
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        if "words" in asked:
            answer: int | None = _fork()
            if answer == 0:
                return dict(asked)
            codes[answer or 0] = None
        else:
            answer = codes[asked["poll"]] = _code_of(asked["poll"], codes)
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()
    for pid, code in codes.items():
        if code is None and _code_of(pid, codes) is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
    return None


def _fork() -> int:
    """Make a copy, and return when it leads a session: whoever is told of it may signal all that it will start."""
    its_end, end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.close(its_end)
        os.close(end)
        return 0
    os.close(end)
    os.read(its_end, 1)
    os.close(its_end)
    return pid


def _code_of(pid: int, codes: Mapping[int, int | None]) -> int | None:
    if (known := codes[pid]) is not None:
        return known
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _become(told: Mapping[str, Any]) -> None:
    """Be another process: with its files, environment and words, and none of the nurse's."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(told["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(log)
    os.chdir(told["folder"])
    os.environ.clear()
    os.environ.update(told["environment"])
    random.seed()
    name, *words = told["words"]
    sys.argv = [name, *words]
    runpy.run_module(name, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _read_in()
    if (wanted := _serve()) is not None:
        _become(wanted)
