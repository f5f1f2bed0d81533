"""Commands in processes of their own that need not import first: see the fixture ``forked``."""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.process import BaseProcess


def start(*arguments: object) -> BaseProcess:
    """A command that is under way, its output thrown away."""
    process = multiprocessing.get_context("forkserver").Process(target=_run, args=([*map(str, arguments)],))
    process.start()
    return process


def _run(arguments: list[str]) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    from optimizer.cli import main

    sys.argv = ["optimizer", *arguments]
    main()
