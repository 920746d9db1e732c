"""Codebooks must not be learned from what is to be new."""

from dataclasses import replace

import pytest

import tesserec as tr
from tesserec.core import Method, Spec
from tesserec.core.errors import BadSpec
from tesserec.core.registry import find
from tesserec.data import toys
from tesserec.experiment.peeking import refuse_peeking
from tesserec.parts.semantic_ids.rqkmeans import RQKMeans


class Inside(Spec):
    """A part that holds several parts."""

    quantizers: tuple[RQKMeans, ...] = ()


class Coded(Method):
    """A method with a quantizer somewhere inside."""

    inside: Inside = Inside()

    def fit(self, data, run):
        raise NotImplementedError

    def network(self, data):
        raise NotImplementedError

    def answer(self, network, catalog):
        raise NotImplementedError


def coded(warm: bool) -> Coded:
    return Coded(inside=Inside(quantizers=(RQKMeans(), RQKMeans(warm=warm))))


def test_a_codebook_of_new_items_is_refused_before_anything_is_fitted():
    split = tr.ColdStart(published=True).split(toys.newcomers())
    refuse_peeking(coded(warm=True), split)
    refuse_peeking(tr.ItemKNN(), split)
    with pytest.raises(BadSpec, match="RQKMeans from items that are to be new"):
        refuse_peeking(coded(warm=False), split)


def test_ids_are_looked_at_before_the_vectors_that_they_are_made_of_are_there():
    split = tr.ColdStart(published=True).split(toys.newcomers())
    refuse_peeking(tr.MMGRec(), split)
    assert "graph" not in split.train.catalog.items.vectors  # what its ids are made of
    with pytest.raises(BadSpec, match="codebook of its GraphRQVAE from items"):
        refuse_peeking(tr.MMGRec().changed({"ids": {"warm": False}}), split)


@pytest.mark.parametrize(
    "ids",
    [
        {"kind": "Collaborative", "inner": {"kind": "RQKMeans", "warm": False}},
        {"kind": "GraphRQVAE", "inner": {"kind": "RQKMeans", "warm": False}},
        {"kind": "RQKMeansPlus", "start": {"warm": False}},
    ],
)
def test_a_quantizer_says_what_those_inside_it_learn_from(ids: dict[str, object]):
    split = tr.ColdStart(published=True).split(toys.newcomers())
    refuse_peeking(find("TIGER", Method)(ids=ids), split)
    with pytest.raises(BadSpec, match=f"codebook of its {ids['kind']} from items"):
        refuse_peeking(find("TIGER", Method)(ids={**ids, "warm": False}), split)


def test_a_teacher_of_a_quantizer_must_not_peek_either():
    split = tr.ColdStart(published=True).split(toys.newcomers())
    teacher = find("TIGER", Method)(ids={"kind": "RQKMeans", "warm": False})
    with pytest.raises(BadSpec, match="codebook of its RQKMeans from items"):
        refuse_peeking(
            find("TIGER", Method)(ids={"kind": "Collaborative", "teacher": teacher}), split
        )


def test_only_settings_make_an_item_new():
    split = tr.Published().split(toys.newcomers())
    assert bool((split.train.popularity == 0).any())
    assert not split.settings
    refuse_peeking(coded(warm=False), split)
    with pytest.raises(BadSpec, match="that are to be new"):
        refuse_peeking(coded(warm=False), replace(split, settings={"warm": split.test}))
