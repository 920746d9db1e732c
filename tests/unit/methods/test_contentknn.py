"""ContentKNN beside a slow version, and what it says of items that nobody has chosen."""

import numpy as np
import polars as pl
import pytest
import torch

from tesserec.core import Histories, Ragged, Requests, Run
from tesserec.core.errors import NoContent
from tesserec.data.build import from_tables
from tesserec.methods.multimodal.contentknn import ContentKNN


def data(items: int = 12):
    """People chose the first ten of some items; everything has text, half of it an image."""
    draw = np.random.default_rng(3)
    events = [(f"u{user}", int(item)) for user in range(6) for item in draw.choice(10, 4, False)]
    frame = pl.DataFrame(events, schema=["user", "item"], orient="row")
    table = pl.DataFrame({"id": range(items)})
    text = torch.from_numpy(draw.standard_normal((items, 5)).astype(np.float32))
    image = torch.from_numpy(draw.standard_normal((items, 3)).astype(np.float32))
    image[::2] = 0
    return from_tables(frame, table, clock="none", vectors={"text": text, "image": image})


DATA = data()


def slow_scores(history: list[int], neighbours: int, names: tuple[str, ...]) -> np.ndarray:
    tables = [DATA.catalog.items.vectors[name].numpy() for name in names]
    units = [t / np.maximum(np.linalg.norm(t, axis=1, keepdims=True), 1e-12) for t in tables]
    rows = np.concatenate(units, 1)
    scores = np.zeros(len(rows))
    for item in history:
        cosines = {
            other: rows[item]
            @ rows[other]
            / np.linalg.norm(rows[item])
            / np.linalg.norm(rows[other])
            for other in range(len(rows))
            if other != item
        }
        for other in sorted(cosines, key=lambda one: -cosines[one])[:neighbours]:
            scores[other] += max(cosines[other], 0)
    return scores


@pytest.mark.parametrize("names", [("text",), ("image", "text")])
@pytest.mark.parametrize("history", [[0], [3, 7, 8]])
def test_scores_are_sums_of_cosines_that_lead_from_the_history(names, history):
    fitted = ContentKNN(neighbours=4, vectors=names).fit(DATA, Run())
    asked = Requests(torch.tensor([-1]), Histories(Ragged.of([history])))
    scores = fitted.score(asked, torch.arange(12)[None])[0]
    np.testing.assert_allclose(scores, slow_scores(history, 4, names), atol=1e-5)


def test_what_nobody_has_chosen_is_recommended_like_anything_else():
    twin = DATA.catalog.items.vectors["text"].clone()
    twin[11] = twin[3]  # item 11 has no events
    fitted = ContentKNN(neighbours=4, vectors=("text",)).fit(DATA.with_vectors("text", twin), Run())
    asked = Requests(torch.tensor([-1]), Histories(Ragged.of([[3]])), exclude=Ragged.of([[3]]))
    assert fitted.recommend(asked, 1).items.tolist() == [[11]]


def test_without_such_vectors_it_says_what_there_is():
    with pytest.raises(NoContent, match=r"'sound'.*text"):
        ContentKNN(vectors=("sound",)).fit(DATA, Run())
