"""Run a program that dies with its parent: `python leash.py PARENT_PID PROGRAM ARGUMENT...`.

Linux kills the program as soon as its parent is gone, however that ended; elsewhere it runs without a leash.
Uses the standard library only, so that it starts within milliseconds.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, program: list[str]) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent ended before its program began")
    os.execvp(program[0], program)  # noqa: S606


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
