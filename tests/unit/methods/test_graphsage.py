"""GraphSAGE as MMGRec begins with it: what it reads, and where new items stand."""

import math

import pytest
import torch

from tesserec.core import Dataset, Entities, Run
from tesserec.core.errors import NoContent
from tesserec.data import toys
from tesserec.methods.multimodal.graphsage import GraphSAGE
from tesserec.parts.batches import Pairs
from toys.worlds import random_world, world

SMALL = {"start": 6, "dim": 4, "batches": {"size": 16, "negatives": 3}}


def shop() -> Dataset:
    """Twelve people and fifteen items, the last two of them new; some content is missing."""
    events = random_world(seed=6, users=12, items=13, events=80).interactions.frame
    made = world([(user, item) for _, user, item in events.rows()], items=range(15))
    source = torch.Generator().manual_seed(0)
    image, text = torch.rand(15, 6, generator=source), torch.rand(15, 3, generator=source)
    image[[2, 14]] = 0
    mask = torch.arange(15) != 3
    text[3] = torch.nan  # what is noted as missing is never looked at
    return made.with_vectors("image", image).with_vectors("text", text, mask)


def test_items_bring_the_map_of_their_contents_side_by_side() -> None:
    data, network = shop(), GraphSAGE(**SMALL, scaled=False).network(shop())
    image, text = (data.catalog.items.vectors[name] for name in ("image", "text"))
    start = network.start()
    assert start.shape == (27, 6)
    both = network.fuse.weight @ torch.cat([image[0], text[0]])
    torch.testing.assert_close(start[12], both)
    torch.testing.assert_close(start[12 + 3], network.fuse.weight[:, :6] @ image[3])
    torch.testing.assert_close(start[:12], network.users)


def test_contents_are_as_long_as_random_ones_and_what_is_missing_is_nothing() -> None:
    read = GraphSAGE(**SMALL).network(shop()).contents
    image, text = read[:, :6].norm(dim=1), read[:, 6:].norm(dim=1)
    torch.testing.assert_close(image[[0, 1]], torch.full((2,), 6**0.5))
    torch.testing.assert_close(text[[0, 1]], torch.full((2,), 3**0.5))
    assert image[[2, 14]].tolist() == [0, 0]
    assert float(text[3]) == 0


def test_the_loss_is_bpr_over_the_vectors_of_the_whole_graph() -> None:
    method = GraphSAGE(**SMALL)
    network = method.network(shop()).eval()
    batch = next(iter(method.batches(shop())(torch.Generator().manual_seed(0))))
    users, items = network.vectors()
    expected = []
    for user, chosen, others in zip(
        batch.user, batch.positive, batch.negative.items.tolist(), strict=True
    ):
        margins = [float(users[user] @ (items[chosen] - items[other])) for other in others]
        expected.append(sum(math.log(1 + math.exp(-one)) for one in margins) / len(margins))
    torch.testing.assert_close(network.loss(batch).each, torch.tensor(expected))


def test_new_items_stand_where_their_content_puts_them() -> None:
    network = GraphSAGE(**SMALL).network(shop()).eval()
    _, items = network.vectors()
    new = torch.nonzero(shop().popularity == 0)[:, 0]
    assert set(new.tolist()) >= {13, 14}
    known = shop().catalog.items
    vectors = {name: table[new] for name, table in known.vectors.items()}
    some = Entities(known.ids.gather(new.numpy()), vectors=vectors)
    torch.testing.assert_close(network.place(some), items[new])


def test_free_vectors_of_items_add_to_contents_but_not_of_new_items() -> None:
    own = GraphSAGE(**SMALL, own=True).network(shop()).eval()
    content = own.fuse(own.contents)
    warm = shop().popularity > 0
    brought = own.start()[12:]
    torch.testing.assert_close(brought[warm], (content + own.own)[warm])
    torch.testing.assert_close(brought[~warm], content[~warm])


def test_without_contents_and_free_vectors_items_are_nothing() -> None:
    data = world([(0, 0), (0, 1), (1, 1)])
    with pytest.raises(NoContent, match="own = true"):
        GraphSAGE().fit(data, Run())
    with pytest.raises(NoContent, match="sound"):
        GraphSAGE(modalities=("sound",)).fit(shop(), Run())
    method = GraphSAGE(**SMALL, own=True, modalities=()).changed({"schedule": {"epochs": 2}})
    assert method.fit(shop(), Run()).network.contents.shape == (15, 0)


def test_each_epoch_draws_new_negatives() -> None:
    epochs = Pairs(size=10**6, negatives=5)(toys.checkerboard())
    generator = torch.Generator().manual_seed(0)
    one, other = (next(iter(epochs(generator))) for _ in range(2))
    assert not torch.equal(one.negative.items, other.negative.items)
