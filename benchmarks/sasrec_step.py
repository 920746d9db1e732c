"""Training steps of SASRec and BERT4Rec on ml-1m's training part: 6,040 people, 987,531 events.

Every side makes its own batches, loss, backward pass and optimiser step, all of it on the clock. A
sequence is one person's last events, at most `length` read and as many targets: one row of ours,
of RecTools' and of SASRec.pytorch's. Padded places count nowhere. RecBole makes a row of every
prefix, so BERT4Rec is compared by masked targets, as counted in each side's own batches; RecBole's
are those that its loss counts, once in the kind of batch that has the most of them, and once
(`as_shipped`) in its own mixture, where every second batch hides the last item alone.

SASRec.pytorch samples in processes of its own, one or, as its script does, three. They share the
cores with its training, as they do in its script, but sleep while others have their turn; the
memory stated is of the training process alone.
"""

from dataclasses import dataclass
from typing import Any

from benchmarks.data import SEQUENCES, hand_over_sequences, sequences
from benchmarks.harness import Options, Result, Side, Sides, against, say
from tesserec.core import Split

WARM = 1


@dataclass(frozen=True)
class Case:
    """Who is asked for what, and what is counted."""

    peers: tuple[str, ...]
    unit: str
    steps: int  # a turn
    facts: dict[str, Any]
    whole_turns: bool = False  # steps differ in kind: a turn's seconds by all of its targets


def _sasrec(loss: str, length: int, dim: int) -> dict[str, Any]:
    size = {"length": length, "dim": dim, "heads": 1, "batch": 128}
    return {"model": "SASRec", "loss": loss, **size}


def _bert4rec() -> dict[str, Any]:
    size = {"length": 50, "dim": 64, "heads": 2, "batch": 2048}
    return {"model": "BERT4Rec", "loss": "masked", **size}


CASES = {
    "sasrec_softmax_50": Case(("rectools",), "sequences", 8, _sasrec("softmax", 50, 64)),
    "sasrec_bce_200": Case(("sasrec-pytorch",), "sequences", 4, _sasrec("bce", 200, 50)),
    "sasrec_bce_50": Case(("sasrec-pytorch",), "sequences", 8, _sasrec("bce", 50, 50)),
    "bert4rec_50": Case(
        ("recbole",),
        "targets",
        2,
        _bert4rec(),
    ),
    "bert4rec_50_as_shipped": Case(
        ("recbole",),
        "targets",
        8,
        {**_bert4rec(), "loss": "masked_as_shipped"},
        whole_turns=True,
    ),
}


def run(options: Options) -> list[Result]:
    split = sequences(options.folder(SEQUENCES))
    chosen = {name: case for name, case in CASES.items() if name in (options.only or CASES)}
    return [result for name, case in chosen.items() for result in _case(name, case, split, options)]


def _case(name: str, case: Case, split: Split, options: Options) -> list[Result]:
    """Speed and memory, the latter of processes that did nothing else."""
    with Sides(options, case.peers) as sides:
        hand_over_sequences(split, sides.folder)
        for side in sides.all:
            side.ask("load_sequences", folder=str(sides.folder))
            side.ask("set_up_sequences", **case.facts)
            side.ask("sequence_steps", count=WARM)
            say(f"  {side.ask('version')['version']}")
        ways = _ways(sides)
        each: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(options.rounds):
            for way, (side, facts) in ways.items():
                found = side.ask("sequence_steps", count=case.steps, **facts)
                if case.whole_turns:
                    each[way].append(sum(found["seconds"]) / sum(found[case.unit]))
                    continue
                counted = zip(found["seconds"], found[case.unit], strict=True)
                each[way] += [seconds / count for seconds, count in counted]
        memory = {side.name: [side.peak_mb or 0.0] for side in sides.all}
    results = against(f"{name}_{case.unit}", f"{case.unit}/s", each, units=1.0)
    return results + against(f"{name}_peak_memory", "MB", memory)


def _ways(sides: Sides) -> dict[str, tuple[Side, dict[str, Any]]]:
    """Who is asked, and how."""
    ways: dict[str, tuple[Side, dict[str, Any]]] = {side.name: (side, {}) for side in sides.all}
    if "sasrec-pytorch" in ways:
        side, _ = ways["sasrec-pytorch"]
        ways["sasrec-pytorch"] = (side, {"workers": 1})
        ways["sasrec-pytorch-as-shipped"] = (side, {"workers": 3})
    return ways
