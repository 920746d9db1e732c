"""Alike: items whose vectors point the same way, many questions about one table together."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch

from tesserec.experiment.neighbours import nearest
from tesserec.serve.pages.look import Look


@dataclass(frozen=True, slots=True, eq=False)
class Alike:
    """What is nearest to an item by one table of vectors."""

    look: Look
    name: str  # of the table
    row: int  # of the item in the data
    k: int

    @property
    def group(self) -> Hashable:
        return id(self.look), self.name


def alike(questions: Sequence[Alike]) -> list[list[tuple[str, float]]]:
    """Ids of items and their cosines for each question of a group."""
    first = questions[0]
    present = first.look.present(first.name)
    asked = torch.tensor([one.row for one in questions])
    most = max(one.k for one in questions)
    rows, likeness = nearest(first.look.table(first.name), present, asked, most)
    ids = first.look.content_ids
    return [
        [(ids[row], value) for row, value in zip(*both, strict=True)][: one.k]
        for one, both in zip(
            questions, zip(rows.tolist(), likeness.tolist(), strict=True), strict=True
        )
    ]
