"""ImageStatistics: what its vectors see in photographs of clothes and in posters of films.

Sizes, kinds of figures and the reduction were compared on the published validation photographs.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

import tesserec as tr
from claims.harness import SEEDS, check_claim, folder, reached
from tesserec.content.folder import encode_folder
from tesserec.content.image import ImageStatistics
from tesserec.core import Dataset, Split
from tesserec.data.importing import import_data

pytestmark = pytest.mark.claims

NEIGHBOURS = 10
METRIC = "recall@20"
SETTING = (
    "ml-latest-small-posters, published leave-one-out split, seen = exclude_train, "
    "one kind of item vectors at a time"
)
SCHEDULE = {"metric": METRIC, "every": 2, "patience": 10, "rate": 2e-3}


def seen(name: str, out: Path) -> Dataset:
    import_data(folder(name), out)
    encode_folder(out, ImageStatistics())
    return tr.read(out)


@pytest.fixture(scope="module")
def clothes(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return seen("clothing-images-cc0", tmp_path_factory.mktemp("clothes") / "data")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return seen("ml-latest-small-posters", tmp_path_factory.mktemp("films") / "data")


def test_photographs_find_clothes_of_their_kind(clothes: Dataset) -> None:
    check_claim(
        method="ImageStatistics",
        claim="the ten nearest photographs name one of ten kinds of clothes, most often rightly",
        setting=f"clothing-images-cc0, published split, {NEIGHBOURS} neighbours by cosine; PCA of "
        "the training pictures",
        metric="accuracy",
        rows={
            "test": lambda seed: accuracy(clothes, "test"),
            "validation": lambda seed: accuracy(clothes, "valid"),
            "the most frequent kind, test": lambda seed: majority(clothes, "test"),
        },
        holds=lambda mean: mean["test"] > 2 * mean["the most frequent kind, test"],
        seeds=(0,),
    )


def accuracy(data: Dataset, part: str) -> float:
    """How often most of the nearest training photographs show the kind that is asked for."""
    facts, vectors = data.catalog.items.features, data.catalog.items.vectors["image"].numpy()
    split, (kinds, kind) = facts["split"], np.unique(facts["category"], return_inverse=True)
    asks, known = (split == part).to_numpy(), (split == "train").to_numpy()
    alike = vectors[asks] @ vectors[known].T
    near = np.argsort(-alike, 1, kind="stable")[:, :NEIGHBOURS]
    votes = np.eye(len(kinds))[kind[known][near]].sum(1)
    votes += 1e-3 * np.eye(len(kinds))[kind[known][near[:, 0]]]  # the nearest breaks ties
    return float((votes.argmax(1) == kind[asks]).mean())


def majority(data: Dataset, part: str) -> float:
    facts = data.catalog.items.features
    most = facts.filter(facts["split"] == "train")["category"].mode()[0]
    return float((facts.filter(facts["split"] == part)["category"] == most).mean())


def test_posters_say_a_little_about_who_chooses_a_film(films: Dataset) -> None:
    def knn(seed: int, name: str) -> float:
        return reached(tr.ContentKNN(), with_vectors(films, name, seed), "recall@100", seed)

    check_claim(
        method="ImageStatistics",
        claim="neighbours by posters beat neighbours by random vectors; words and popularity are "
        "far better",
        setting=f"{SETTING}; at 100, as at 20 next to nobody is hit",
        metric="recall@100",
        rows={
            "ContentKNN, posters": lambda seed: knn(seed, "image"),
            "ContentKNN, random vectors": lambda seed: knn(seed, "random"),
            "ContentKNN, words": lambda seed: knn(seed, "text_tfidf_svd64"),
            "Popular": lambda seed: reached(
                tr.Popular(), with_vectors(films, "random", 0), "recall@100", seed
            ),
        },
        holds=lambda mean: (
            mean["ContentKNN, random vectors"]
            < mean["ContentKNN, posters"]
            < min(mean["ContentKNN, words"], mean["Popular"]) / 2
        ),
    )


def test_in_bm3_posters_are_worth_no_more_than_random_vectors(films: Dataset) -> None:
    def bm3(seed: int, name: str) -> float:
        method = tr.BM3().changed({"schedule": SCHEDULE})
        return reached(method, with_vectors(films, name, seed), METRIC, seed)

    check_claim(
        method="ImageStatistics",
        claim="BM3 gains nothing from posters: with random vectors it is as good, but for the "
        "standard error of so few people",
        setting=f"{SETTING}, rate 0.002, early stopping on validation {METRIC}",
        metric=METRIC,
        rows={
            "BM3, posters": lambda seed: bm3(seed, "image"),
            "BM3, random vectors": lambda seed: bm3(seed, "random"),
        },
        holds=lambda mean: (
            abs(mean["BM3, posters"] - mean["BM3, random vectors"])
            < standard_error(mean["BM3, posters"], len(films.catalog.users))
        ),
        seeds=SEEDS[:2],
    )


def standard_error(share: float, people: int) -> float:
    """Of a share of people, each of whom is hit or not."""
    return (share * (1 - share) / people) ** 0.5


def with_vectors(data: Dataset, name: str, seed: int) -> Split:
    """Films with one kind of unit vectors and no other."""
    items = data.catalog.items
    if name == "random":
        draw = torch.Generator().manual_seed(seed)
        table = torch.randn(items.vectors["image"].shape, generator=draw)
    else:
        table = items.vectors[name].float()
    items = replace(items, vectors={name: functional.normalize(table, dim=1)}, masks={})
    bare = replace(data, catalog=replace(data.catalog, items=items))
    return tr.Published(seen="exclude_train").split(bare)
