"""Does a plan stand up to the year it was not optimised on: every hour dispatched, rates recomputed, outages drawn."""

from __future__ import annotations

from optimizer.replay.outages import Draws, outages
from optimizer.replay.record import results
from optimizer.replay.refine import solve_until_replay_holds
from optimizer.replay.run import Replay, replay
from optimizer.replay.windows import ReplayError

__all__ = ["Draws", "Replay", "ReplayError", "outages", "replay", "results", "solve_until_replay_holds"]
