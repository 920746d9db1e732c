"""Full ranking by SASRec on ml-1m's shape: 6,040 people, 3,416 items, recall and NDCG at 10.

Histories of 50, d = 64, two blocks, untrained weights: only time is compared. Ours and RecTools
leave out what was seen; RecBole does not do that for sequential models, so it has less to do.
"""

from benchmarks.data import SEQUENCES, hand_over_sequences, sequences
from benchmarks.harness import Options, Result, Sides, against, say

PEERS = ("recbole", "rectools")
SIZES = {"length": 50, "dim": 64, "heads": 1, "batch": 128}


def run(options: Options) -> list[Result]:
    split = sequences(options.folder(SEQUENCES))
    each: dict[str, list[float]] = {}
    with Sides(options, PEERS) as sides:
        hand_over_sequences(split, sides.folder)
        for side in sides.all:
            side.ask("load_sequences", folder=str(sides.folder))
            side.ask("set_up_sequences", model="SASRec", loss="softmax", **SIZES)
            found = side.ask("rank_sequences", k=10)  # compiles
            say(f"  {side.ask('version')['version']}: {found['users'][0]} users")
        for _ in range(options.rounds):
            for side in sides.all:
                found = side.ask("rank_sequences", k=10)
                each.setdefault(side.name, []).append(found["seconds"][0] / found["users"][0])
    return against("sequence_evaluation", "users/s", each, units=1.0)
