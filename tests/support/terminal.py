"""Somebody at a terminal: `python -m tests.support.terminal ANSWERS COMMAND…` types a line of a file at each prompt.

What is on the screen is on stdout, what was typed unseen is not; the exit code is the command's.
"""

import os
import pty
import sys
from pathlib import Path


def main(answers: list[str], command: list[str]) -> int:
    pid, screen = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    shown = b""
    while True:
        try:
            piece = os.read(screen, 4096)
        except OSError:
            break  # the terminal is closed with its last program
        if not piece:
            break
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        shown += piece
        if answers and shown.endswith(b": "):
            os.write(screen, f"{answers.pop(0)}\n".encode())
            shown = b""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).read_text().split("\n"), sys.argv[2:]))
