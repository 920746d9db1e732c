"""ContentKNN: what is made alike belongs together.

Item neighbours by the cosine of content vectors in place of co-occurrence: the content-based
recommendation of Pazzani and Billsus (The Adaptive Web, 2007), in the form of ItemKNN. Nothing is
learned from events, so that an item that nobody has chosen is recommended like any other.
"""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from tesserec.core import Answering, Catalog, Dataset, Entities, Run
from tesserec.core.errors import NoContent
from tesserec.parts.graphs import nearest
from tesserec.parts.networks import Neighbourhood
from tesserec.recommenders import ScoreRecommender
from tesserec.training import ClosedForm


class ContentKNN(ClosedForm):
    """Recommend what is made like the things a person chose."""

    needs: ClassVar = frozenset({"vectors"})
    tiny: ClassVar = {"neighbours": 4}

    neighbours: Annotated[int, Field(ge=1)] = 50
    vectors: tuple[str, ...] = ()  # which tables; (): all, each with the same weight

    def network(self, data: Dataset) -> nn.Module:
        return Neighbourhood(len(data.catalog.items), self.neighbours)

    def solve(self, network: nn.Module, data: Dataset, run: Run) -> None:
        assert isinstance(network, Neighbourhood)
        contents, present = _contents(data.catalog.items, self.vectors)
        near, similarity = nearest(contents, self.neighbours, present)
        network.fill(near, similarity.clamp(min=0), data.popularity)

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return ScoreRecommender(network, catalog)


def _contents(items: Entities, names: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """Unit vectors of all tables side by side, and who has any: [I, W], [I] bool

    Where two items have every content, their cosine is the mean over the contents.
    """
    unknown = [name for name in names if name not in items.vectors]
    if unknown or not items.vectors:
        there = ", ".join(items.vectors) or "none"
        raise NoContent(
            f"ContentKNN compares item vectors; wanted {unknown or 'any'}, there are {there}.",
            "Encode them first: tesserec encode DATA --modality text",
        )
    chosen = names or tuple(sorted(items.vectors))
    present = torch.stack([items.present(name) for name in chosen])
    if len(chosen) == 1:
        return items.vectors[chosen[0]], present[0]
    parts = [
        functional.normalize(items.vectors[name].float(), dim=1) * there[:, None]
        for name, there in zip(chosen, present, strict=True)
    ]
    return torch.cat(parts, 1), present.any(0)
