import torch

from tesserec.data import toys
from tesserec.parts.batches import Rows


def test_every_item_comes_once_per_epoch_in_an_order_of_its_own() -> None:
    epochs = Rows(size=8)(toys.checkerboard())
    assert len(epochs) == 4
    generator = torch.Generator().manual_seed(0)
    orders = [torch.cat([batch.row for batch in epochs(generator)]) for _ in range(2)]
    for order in orders:
        assert sorted(order.tolist()) == list(range(30))
    assert not torch.equal(*orders)


def test_only_some_items_come() -> None:
    epochs = Rows(size=2).over(torch.tensor([3, 9, 4]))
    batches = list(epochs(torch.Generator().manual_seed(0)))
    assert [len(batch) for batch in batches] == [2, 1] == [len(one.weight) for one in batches]
    assert sorted(torch.cat([batch.row for batch in batches]).tolist()) == [3, 4, 9]


def test_a_share_of_a_batch_holds_its_rows_alone() -> None:
    batch = next(iter(Rows(size=8)(toys.checkerboard())(torch.Generator().manual_seed(0))))
    assert torch.equal(batch[2:5].row, batch.row[2:5])
    assert len(batch[2:5].weight) == len(batch[2:5]) == 3
