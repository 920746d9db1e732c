"""Pipelines as tables describe them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tesserec.core import Answering
from tesserec.core.errors import BadRequest, BadSpec
from tesserec.recommenders import Cascade, Reranked
from tesserec.recommenders.pipeline.plan import Plan
from tesserec.recommenders.rerank import MMR
from toys.pipelines import drawn, every_kind, questions
from toys.recommenders import written

ITEMS = 12
MODELS: dict[str, Answering] = {
    "one": drawn(ITEMS, 1),
    "other": drawn(ITEMS, 2),
    "nobody": written(torch.full((6, ITEMS), -torch.inf)),
}
# The same as toys.pipelines.every_kind, in the words of a file.
TABLES = {
    "Cascade": {"kind": "Cascade", "source": "one", "ranker": "other", "candidates": 5},
    "Filtered": {"kind": "Filtered", "inner": "one", "where": "id < 7"},
    "Fallback": {"kind": "fallback", "inner": "nobody", "strangers": "one"},
    "Mixture": {
        "kind": "Mixture",
        "recommenders": ["one", "other"],
        "weights": [1, 2.0],
        "depth": 4,
    },
    "Mixture of scores": {
        "kind": "Mixture",
        "recommenders": ["one", "other"],
        "merging": "NormalisedScores",
        "depth": 4,
    },
    "MMR": {"kind": "Reranked", "inner": "one", "rerankers": ["MMR"], "depth": 8},
    "DPP": {"kind": "Reranked", "inner": "one", "rerankers": [{"kind": "DPP"}], "depth": 8},
    "Epsilon": {
        "kind": "Reranked",
        "inner": "one",
        "rerankers": [{"kind": "Epsilon", "share": 0.5}],
        "depth": 8,
    },
    "Gumbel": {"kind": "Reranked", "inner": "one", "rerankers": ["Gumbel"], "depth": 8},
    "all together": {
        "kind": "Reranked",
        "depth": 8,
        "rerankers": [
            {"kind": "MMR", "relevance": 0.3},
            "DPP",
            {"kind": "Gumbel", "temperature": 2.0},
        ],
        "inner": {
            "kind": "Fallback",
            "strangers": "one",
            "inner": {
                "kind": "Filtered",
                "where": "id != 3",
                "inner": {
                    "kind": "Cascade",
                    "candidates": 9,
                    "ranker": "other",
                    "source": {"kind": "Mixture", "recommenders": ["one", "other"], "depth": 6},
                },
            },
        },
    },
}
IN_PYTHON = every_kind(ITEMS)
MADE = {name: Plan.of(table).made(MODELS.__getitem__) for name, table in TABLES.items()}


def test_every_kind_has_a_table() -> None:
    assert TABLES.keys() == IN_PYTHON.keys()


@pytest.mark.parametrize("name", TABLES)
@given(data=st.data())
@settings(max_examples=15)
def test_a_table_answers_as_the_objects_do(name, data):
    asked, k = data.draw(questions(ITEMS)), data.draw(st.integers(1, ITEMS + 3))
    wanted, found = IN_PYTHON[name].recommend(asked, k), MADE[name].recommend(asked, k)
    assert torch.equal(found.items, wanted.items)
    assert torch.equal(found.scores, wanted.scores)
    assert (found.propensities is None) == (wanted.propensities is None)
    if found.propensities is not None and wanted.propensities is not None:
        assert torch.equal(found.propensities, wanted.propensities)


def test_its_models_are_named_once_the_leading_one_first() -> None:
    assert Plan.of(TABLES["all together"]).names == ("one", "other")
    assert Plan.of(TABLES["Fallback"]).names == ("nobody", "one")
    table = {"kind": "Reranked", "inner": "nobody", "rerankers": ["MMR"], "vectors": "other"}
    assert Plan.of(table).names == ("nobody", "other")


def test_vectors_are_taken_from_another_model_in_the_rows_of_the_leading_one() -> None:
    inner, other = written(torch.randn(6, 5)), drawn(ITEMS)
    table = {"kind": "Reranked", "inner": "inner", "rerankers": ["MMR"], "vectors": "other"}
    made = Plan.of(table).made({"inner": inner, "other": other}.__getitem__)
    assert isinstance(made, Reranked)
    rows = other.catalog.items.rows(inner.catalog.items.ids)
    assert made.vectors is not None
    assert torch.equal(made.vectors, other.item_vectors[rows])
    with pytest.raises(BadRequest, match="has no vectors"):
        Plan.of({**table, "vectors": "inner"}).made({"inner": inner}.__getitem__)


def test_what_a_table_leaves_out_is_as_the_class_has_it() -> None:
    plan = Plan.of({"kind": "Cascade", "source": "one", "ranker": "other"})
    assert plan.kind is Cascade
    assert plan.settings == {}
    assert plan.made(MODELS.__getitem__).candidates == Cascade.candidates  # type: ignore[attr-defined]
    reranked = Plan.of({"kind": "Reranked", "inner": "one", "rerankers": [{"kind": "MMR"}]})
    assert reranked.settings == {"rerankers": (MMR(),)}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "needs a kind"),
        ({"kind": "Rerankd", "inner": "one"}, "did you mean 'Reranked'"),
        ({"kind": "Filtered", "inner": "one"}, "needs a value for 'where'"),
        ({"kind": "Filtered", "iner": "one", "where": "id < 7"}, "did you mean 'inner'"),
        ({"kind": "Filtered", "inner": "one", "where": 7}, "Filtered.where = 7"),
        ({"kind": "Filtered", "inner": ["one"], "where": "id < 7"}, "names no model"),
        ({"kind": "Filtered", "inner": {"where": "id < 7"}, "where": "id < 7"}, "needs a kind"),
        ({"kind": "Mixture", "recommenders": "one"}, "no list"),
        ({"kind": "Mixture", "recommenders": ["one"], "weights": ["1"]}, "Mixture.weights"),
        ({"kind": "Mixture", "recommenders": ["one"], "merging": "MMR"}, "no Merging called"),
        ({"kind": "Reranked", "inner": "one", "rerankers": ["MMRR"]}, "did you mean 'MMR'"),
        ({"kind": "Reranked", "inner": "one", "rerankers": ["MMR"], "depth": "8"}, "depth"),
        ({"kind": "Reranked", "inner": "one", "rerankers": ["MMR"], "method": "MF"}, "no key"),
        (
            {"kind": "Reranked", "inner": "one", "rerankers": [{"kind": "MMR", "weight": 0.3}]},
            "MMR has no field 'weight'",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_loaded(table, said) -> None:
    with pytest.raises(BadSpec, match=said):
        Plan.of(table)
