"""What is trained: a method, the data it learns from, and what its paper reports on these."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import tesserec as tr
from benchmarks.harness import Skipped
from tesserec.core import Split
from tesserec.core.request import Seen
from tesserec.data import toys
from tesserec.training import Learner

METRICS = ("recall@5", "ndcg@5", "recall@10", "ndcg@10", "recall@20", "ndcg@20")
Figures = Mapping[str, float]


@dataclass(frozen=True)
class Case:
    """One row of a table."""

    name: str
    data: str  # a folder below TESSEREC_DATA
    method: Callable[[], Learner]
    seen: Seen = "exclude"  # items that are not answered: those chosen before, or in training
    published: Figures = field(default_factory=dict)

    def split(self, root: Path | None) -> Split:
        """The published split of its data. Raises `Skipped` where they are not there."""
        if root is None or not (root / self.data).is_dir():
            raise Skipped(f"needs {self.data} in the folder that TESSEREC_DATA or --data names")
        return tr.Published(seen=self.seen).split(tr.read(root / self.data))


def tiger() -> Learner:
    """The paper's sizes are the defaults; it is asked every fifth pass, as asking takes longer."""
    return tr.TIGER(schedule={"every": 5, "patience": 6})


def softmax() -> Learner:
    """SASRec with the full softmax, as in examples/studies/sequences.toml."""
    return tr.SASRec(
        dim=64,
        objective={"kind": "Softmax", "temperature": 1.0, "cosine": False},
        batches={"sampler": {"kind": "Everything"}},
        schedule={"epochs": 60, "patience": 8},
    )


def one_negative() -> Learner:
    """SASRec as published, of the same width."""
    return tr.SASRec(dim=64, schedule={"epochs": 200, "patience": 10, "every": 2})


REPORTED: Mapping[str, Figures] = {  # TIGER's paper, table 1
    "beauty": {"recall@5": 0.0454, "ndcg@5": 0.0321, "recall@10": 0.0648, "ndcg@10": 0.0384},
    "sports": {"recall@5": 0.0264, "ndcg@5": 0.0181, "recall@10": 0.0400, "ndcg@10": 0.0225},
    "toys": {"recall@5": 0.0521, "ndcg@5": 0.0371, "recall@10": 0.0712, "ndcg@10": 0.0432},
}


def of_reviews(shop: str) -> tuple[Case, ...]:
    """TIGER, and SASRec beside it."""
    data = f"amazon-{shop}-s3rec"
    return (
        Case(f"tiger_{shop}", data, tiger, published=REPORTED[shop]),
        Case(f"sasrec_softmax_{shop}", data, softmax),
        Case(f"sasrec_{shop}", data, one_negative),
    )


def of_contents(shop: str, data: str) -> tuple[Case, ...]:
    """MMGRec, and the inner products of the vectors its ids are made of."""
    return (
        Case(f"mmgrec_{shop}", data, tr.MMGRec, "exclude_train"),
        Case(f"graphsage_{shop}", data, tr.GraphSAGE, "exclude_train"),
    )


CASES = (
    *of_reviews("beauty"),
    *of_reviews("sports"),
    *of_reviews("toys"),
    *of_contents("tiktok", "tiktok-diffmm"),
    *of_contents("baby", "amazon-baby-mmrec"),
)


class Quick(Case):
    """The same method in its smallest size, in a toy world: that all of it works on this device."""

    def split(self, root: Path | None) -> Split:
        return tr.Published().split(toys.newcomers())


def quick(kind: type[Learner]) -> Case:
    """As `Quick`."""
    small = {**kind.tiny, "schedule": {**kind.tiny["schedule"], "epochs": 4}}
    return Quick(f"quick_{kind.__name__.lower()}", "newcomers", lambda: kind(**small))


def chosen(names: tuple[str, ...], tiny: bool) -> tuple[Case, ...]:
    """Cases whose name begins with one of these, or all of them; or each of their methods, tiny.

    Exits where a name is unknown.
    """
    unknown = [name for name in names if not any(c.name.startswith(name) for c in CASES)]
    if unknown:
        known = ", ".join(case.name for case in CASES)
        raise SystemExit(f"There is no case {unknown[0]!r}; there are {known}.")
    found = tuple(case for case in CASES if case.name.startswith(names or ("",)))
    if not tiny:
        return found
    return tuple(quick(kind) for kind in dict.fromkeys(type(case.method()) for case in found))
