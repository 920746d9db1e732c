"""One epoch of exact negatives on gowalla: 810,128 triples of user, item and an item not chosen.

Ours is the whole epoch of batches: a new order, the gathers, and the draws, each of which is one
binary search among the user's items. No floor is stated: it is neither memory nor products.
"""

from benchmarks.data import hand_over, published
from benchmarks.harness import Options, Result, Sides, against, in_turns

PEERS = ("recbole", "selfrec", "lightgcn-pytorch")


def run(options: Options) -> list[Result]:
    split = published(options.folder("gowalla-lightgcn"))
    with Sides(options, PEERS) as sides:
        hand_over(split, sides.folder)
        for side in sides.all:
            side.ask("load", folder=str(sides.folder))
            side.ask("set_up", batch=2048)
        sides.ours.ask("negatives")  # compiles
        seconds = in_turns(sides.all, min(options.rounds, 3), "negatives")
    return against("negatives_of_an_epoch", "s", seconds)
