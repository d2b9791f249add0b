import os
import subprocess
import sys

from tests.support.ports import free_port

ASKS = "from tests.support.ports import free_port; print(*(free_port() for _ in range(120)), flush=True); input()"


def test_no_port_is_given_to_two_processes_at_a_time_nor_twice_to_one():
    with subprocess.Popen(
        [sys.executable, "-c", ASKS],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        theirs = [int(each) for each in other.stdout.readline().split()]
        given = [*theirs, *(free_port() for _ in range(120))]
        other.communicate("\n")
    assert len(set(given)) == 240
