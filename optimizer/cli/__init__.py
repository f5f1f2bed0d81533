"""The command line: results on stdout, progress and messages on stderr, and exit codes that scripts can rely on.

0 solved within the gap · 2 usage · 3 bad data · 4 infeasible · 5 time limit, with a plan · 6 time limit, without ·
7 solver failure, failed check or unexpected error · 8 a replay misses a limit · 130 interrupted.

Nothing heavy is imported before a command needs it, so that ``--help`` is instant.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import NoReturn

from optimizer.cli import exchange, explain, instances, planning, replay, reports, runs, uncertainty, whatif
from optimizer.cli.frame import ERROR_CODES, MISSED, STATUS_CODES, USAGE, Failure, app, report

__all__ = [
    "ERROR_CODES",
    "MISSED",
    "STATUS_CODES",
    "app",
    "exchange",
    "explain",
    "instances",
    "main",
    "planning",
    "replay",
    "reports",
    "runs",
    "uncertainty",
    "whatif",
]


def main() -> NoReturn:
    """Run the command line."""
    signal.signal(signal.SIGTERM, _end)
    try:
        code = app(standalone_mode=False)
    except KeyboardInterrupt:
        code = report(Failure.of(KeyboardInterrupt()), as_json="--json" in sys.argv)
    except Exception as error:
        code = report(_usage(error) or Failure.of(error), as_json="--json" in sys.argv)
    sys.exit(code if isinstance(code, int) else 0)


def _end(_: int, frame: FrameType | None) -> None:
    """Take a request to end for Ctrl-C, though a script may have this process ignore that: the best plan is saved,
    workers are ended, temporary files removed."""
    interrupted = signal.getsignal(signal.SIGINT)
    if not callable(interrupted):
        raise KeyboardInterrupt
    interrupted(signal.SIGINT, frame)


def _usage(error: Exception) -> Failure | None:
    """The failure of a mistyped command; None for any other error."""
    if not hasattr(error, "format_message"):
        return None
    hint = " (optimizer --help tells how)"
    return Failure(USAGE, "usage error", f"{error.format_message()}{hint}")
