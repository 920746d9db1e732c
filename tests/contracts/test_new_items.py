"""What every method does with items that came after it was fitted (promises 18 and 19)."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

import tesserec as tr
from tesserec.core import Answering, Dataset, Entities, Method, Run
from tesserec.core.errors import CannotAnswer
from tesserec.core.registry import every
from tesserec.data import toys
from tesserec.data.splits import Published
from tesserec.data.transforms import without
from tesserec.lifecycle.updating import add

METHODS = [method for method in every(Method) if method.__module__.startswith("tesserec.methods")]
FED = {"items": {"kind": "FedBy", "learned": False}}
PLACED = {
    "BM3": {},
    "Caser": FED,
    "BERT4Rec": FED,
    "ContentKNN": {},
    "GRU4Rec": FED,
    "GraphSAGE": {},
    "HSTU": FED,
    "MMGRec": {},
    "MSCGRec": {},
    "NextItNet": FED,
    "ReaRec": {"method": {"kind": "SASRec", **FED}},
    "SASRec": FED,
    "TIGER": {"children": True},
}
LATE = 8
WORLD = toys.newcomers(late=LATE)
EARLY = len(WORLD.catalog.items) - LATE


@dataclass(frozen=True)
class Grown:
    """A model from before the late items came, and with them."""

    before: Answering
    after: Answering


def early() -> Dataset:
    """The world as if the late items had never been; of them `late` tells."""
    train = Published(valid=0).split(WORLD).train
    return without(train, items=WORLD.catalog.items.ids[EARLY:].to_list())[0]


def late() -> Entities:
    items = WORLD.catalog.items
    vectors = {name: table[EARLY:] for name, table in items.vectors.items()}
    return Entities(items.ids[EARLY:], items.features[EARLY:], vectors)


def small(name: str) -> Method:
    kind = next(kind for kind in METHODS if kind.__name__ == name)
    return kind(**kind.tiny).changed(PLACED[name])


_GROWN: dict[str, Grown] = {}


@pytest.fixture(params=sorted(PLACED))
def grown(request: pytest.FixtureRequest) -> Grown:
    name = request.param
    if name not in _GROWN:
        model = small(name).fit(early(), Run(seed=1))
        _GROWN[name] = Grown(model, add(model, late()))
    return _GROWN[name]


def tastes(model: Answering) -> tr.Requests:
    """Two strangers, of whom each chose everything early of their taste."""
    ids = model.catalog.items.ids
    return tr.Requests.of(
        model.catalog, histories=[ids[taste:EARLY:2].to_list() for taste in (0, 1)]
    )


def test_new_items_are_recommended_to_whom_they_fit(grown: Grown) -> None:
    """Of strangers who chose three of a taste, at least six of seven: codes are coarse."""
    ids, starts = grown.after.catalog.items.ids, range(EARLY - 6)
    chosen = [ids[start : start + 6 : 2].to_list() for start in starts]
    asked = tr.Requests.of(grown.after.catalog, histories=chosen)
    best = [
        next(place for place, item in enumerate(row) if item >= EARLY)
        for row in grown.after.recommend(asked, EARLY + LATE).items.tolist()
    ]
    assert sum(best) / len(best) <= EARLY // 2 - 3  # before what is old and of the other taste
    among = replace(asked, allowed=torch.arange(EARLY + LATE) >= EARLY)
    found = grown.after.recommend(among, 1).items[:, 0]
    assert (found >= EARLY).all()
    assert (found % 2 == torch.tensor(starts) % 2).float().mean() > 6 / 7


def test_a_history_of_new_items_is_read(grown: Grown) -> None:
    ids = late().ids
    asked = tr.Requests.of(
        grown.after.catalog, histories=[ids[taste::2].to_list() for taste in (0, 1)]
    )
    found = grown.after.recommend(asked, 3).items
    assert (found >= 0).all()
    assert not set(found[0].tolist()) & set(range(EARLY, EARLY + LATE, 2))


def test_what_is_there_stays_as_it_is(grown: Grown) -> None:
    before, after = grown.before.catalog.items, grown.after.catalog.items
    assert after.ids[:EARLY].equals(before.ids)
    assert after.ids[EARLY:].equals(late().ids)
    assert after.features[EARLY:].equals(late().features)
    for name, codes in before.codes.items():
        assert torch.equal(after.codes[name].table[:EARLY], codes.table)
        assert after.codes[name].unique
    old = torch.arange(EARLY + LATE) < EARLY
    asked = replace(tastes(grown.before), exclude=None)
    narrow = replace(tastes(grown.after), exclude=None, allowed=old)
    one, other = grown.before.recommend(asked, EARLY), grown.after.recommend(narrow, EARLY)
    if type(grown.before.method).__name__ in ("TIGER", "MMGRec", "MSCGRec", "ContentKNN"):
        return  # what competes with what has changed
    assert torch.equal(one.items, other.items)
    torch.testing.assert_close(one.scores, other.scores)


def test_it_is_saved_and_loaded_with_new_items(grown: Grown, tmp_path: Path) -> None:
    loaded = tr.load(tr.save(grown.after, tmp_path / "model"))
    asked = tastes(grown.after)
    one, other = grown.after.recommend(asked, 12), loaded.recommend(asked, 12)
    assert torch.equal(one.items, other.items)
    assert torch.equal(one.scores, other.scores)
    assert loaded.method == grown.before.method


def test_a_loaded_model_takes_them_in_like_the_one_it_was_saved_from(
    grown: Grown, tmp_path: Path
) -> None:
    loaded = tr.load(tr.save(grown.before, tmp_path / "model"))
    asked = tastes(grown.after)
    one, other = grown.after.recommend(asked, 12), add(loaded, late()).recommend(asked, 12)
    assert torch.equal(one.items, other.items)
    assert torch.equal(one.scores, other.scores)


def test_one_after_the_other_is_as_good_as_all_at_once(grown: Grown) -> None:
    first, rest = late(), late()
    first = Entities(first.ids[:3], first.features[:3], {"text": first.vectors["text"][:3]})
    twice = add(add(grown.before, first), rest)
    assert twice.catalog.items.ids.equals(grown.after.catalog.items.ids)
    for name, codes in twice.catalog.items.codes.items():
        assert codes.unique
        assert torch.equal(codes.table[:EARLY], grown.before.catalog.items.codes[name].table)
    found = twice.recommend(tastes(twice), EARLY + LATE).items
    assert (found[:, 0] >= 0).all()
    if type(twice.method).__name__ not in ("TIGER", "MMGRec", "MSCGRec"):  # ids go by the order
        torch.testing.assert_close(
            twice.recommend(tastes(twice), 9).scores,
            grown.after.recommend(tastes(twice), 9).scores,
        )


@pytest.mark.parametrize(
    "kind",
    [kind for kind in METHODS if kind.__name__ not in PLACED],
    ids=lambda kind: kind.__name__,
)
def test_who_knows_items_by_events_alone_says_so(kind: type[Method]) -> None:
    model = small_of(kind).fit(early(), Run())
    with pytest.raises(CannotAnswer) as told:
        add(model, late())
    assert told.value.cure


@pytest.mark.parametrize("name", sorted(n for n, changes in PLACED.items() if changes is FED))
def test_items_that_are_learned_from_events_alone_say_so(name: str) -> None:
    kind = next(kind for kind in METHODS if kind.__name__ == name)
    model = small_of(kind).fit(early(), Run())
    with pytest.raises(CannotAnswer, match="events"):
        add(model, late())


def small_of(kind: type[Method]) -> Method:
    method = kind(**kind.tiny)
    return method.changed({"schedule": {"epochs": 1}}) if hasattr(method, "schedule") else method
