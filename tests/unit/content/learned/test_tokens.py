"""Batches by length, on ids one can see."""

import pytest
import torch

from tesserec.content.learned.tokens import in_batches, shares

LENGTHS = [5, 1, 3, 3, 8, 2]


def features(left: bool) -> dict[str, torch.Tensor]:
    """Text n is n + 1, as often as it is long; padding is 0."""
    mask = torch.arange(8) < torch.tensor(LENGTHS)[:, None]
    mask = mask.flip(1) if left else mask
    ids = mask * torch.arange(1, len(LENGTHS) + 1)[:, None]
    return {"input_ids": ids, "attention_mask": mask.long(), "modality": "text"}


@pytest.mark.parametrize("tokens", [1, 4, 6, 9, 100])
@pytest.mark.parametrize("left", [True, False])
def test_each_text_is_seen_whole_and_its_row_lies_in_its_place(tokens, left):
    def look(part):
        assert part["modality"] == "text"
        assert (part["input_ids"] > 0).equal(part["attention_mask"] > 0)
        return torch.stack([part["input_ids"].amax(1), part["attention_mask"].sum(1)], 1)

    found = in_batches(features(left), tokens, "cpu", look)
    assert found.tolist() == [[place + 1, length] for place, length in enumerate(LENGTHS)]


@pytest.mark.parametrize("tokens", [1, 4, 6, 9, 100])
def test_a_batch_holds_no_more_tokens_than_it_may_unless_it_is_one_text(tokens):
    def look(part):
        assert part["input_ids"].numel() <= tokens or len(part["input_ids"]) == 1
        assert part["attention_mask"].any(0).all()  # no column of padding alone
        return part["input_ids"][:, :1]

    in_batches(features(False), tokens, "cpu", look)


def test_shares_are_as_long_as_they_may_be():
    lengths = torch.tensor(LENGTHS)
    order = lengths.argsort(stable=True)
    found = [lengths[rows].tolist() for rows in shares(order, lengths, 9)]
    assert found == [[1, 2, 3], [3], [5], [8]]
