"""Worlds that once broke an oracle: seed, simulated hours, and what was wrong, in a line.

A change of program or plan gives a seed another history, so the story is the lasting part, and where the fault could be
told in a smaller test, that test stands beside the code.
"""

REGRESSIONS = (
    (624, 2.0, "a venue's restart was dated by the answers that were still on their way: the world's own mistake"),
    (273, 2.0, "the venue was told the time of a program whose clock had stepped: the world's own mistake"),
    (88, 2.0, "a start during a sync error, a second one after it: the journal went on from what was in memory only"),
    (127, 2.0, "a kill that was armed before the quiet struck in it: the world's own mistake"),
    (173, 2.0, "an event number that a power loss took was given again: the replay oracle remembered the first"),
    (5047, 2.0, "killed twice within the same step: the replay oracle had not seen the event that the journal had"),
    (111, 0.2, "a market without a print for ten minutes: the liveness oracle asked for orders"),
    (90, 0.2, "an operator's lift while the disk was read-only was lost with the power, as it must be"),
)
