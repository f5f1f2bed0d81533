"""Benders decomposition: a small MILP of what is funded, and one operational LP per network and year.

``split`` takes a compiled matrix apart, ``block`` keeps the LP of one block alive and answers with cuts, ``blocks``
has them all, ``master`` holds the funding decisions and the cuts, ``groups`` solves it network by network where there
are many, ``search`` closes the gap between them, ``memory`` keeps what the next search can use. ``whole`` is the way
from a matrix to a `highs.Answer` of it, so that results, accounts and checks do not know how it was found; ``join``
makes the masters of several parts one, ``by_parts`` builds and solves them, after a look at the same problem with
longer steps where that is worth it (``coarser``).
"""

from optimizer.benders.block import BlockError
from optimizer.benders.blocks import LocalBlocks
from optimizer.benders.memory import Memory
from optimizer.benders.rounds import Guide, Known, search
from optimizer.benders.split import Split, split
from optimizer.benders.whole import columns_of, search_matrix

__all__ = [
    "BlockError",
    "Guide",
    "Known",
    "LocalBlocks",
    "Memory",
    "Split",
    "columns_of",
    "search",
    "search_matrix",
    "split",
]
