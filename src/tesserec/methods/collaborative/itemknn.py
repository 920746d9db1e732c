"""ItemKNN: what was chosen together belongs together.

Item-based collaborative filtering with cosine similarity over the users of two items (Sarwar et
al., WWW 2001; Deshpande and Karypis, TOIS 2004). Each item keeps its nearest `neighbours`; a
history scores an item by the sum of the similarities that lead from its items to it.
"""

from typing import Annotated, ClassVar

from pydantic import Field
from torch import nn

from tesserec.core import Answering, Catalog, Dataset, Run
from tesserec.parts.graphs import cosine_neighbours
from tesserec.parts.networks import Neighbourhood
from tesserec.recommenders import ScoreRecommender
from tesserec.training import ClosedForm


class ItemKNN(ClosedForm):
    """Recommend the neighbours of what a person chose."""

    tiny: ClassVar = {"neighbours": 4}

    neighbours: Annotated[int, Field(ge=1)] = 50
    shrink: Annotated[float, Field(ge=0)] = 0.0  # added to the denominator; lowers chance meetings

    def network(self, data: Dataset) -> nn.Module:
        return Neighbourhood(len(data.catalog.items), self.neighbours)

    def solve(self, network: nn.Module, data: Dataset, run: Run) -> None:
        assert isinstance(network, Neighbourhood)
        near, similarity = cosine_neighbours(data, self.neighbours, self.shrink)
        network.fill(near, similarity, data.popularity)

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return ScoreRecommender(network, catalog)
