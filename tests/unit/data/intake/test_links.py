from pathlib import Path

import polars as pl
import pytest

import tesserec as tr
from tesserec.core import Dataset
from tesserec.core.errors import BadData
from tesserec.data.importing import import_data
from toys.files import written


def shop(folder: Path, **graphs: str) -> Path:
    """Users 1 and 2, items 10 and 20, and these graphs."""
    place = folder / "shop"
    written(place, "interactions.csv", "user,item\n1,10\n2,20\n")
    for name, text in graphs.items():
        written(place / "graphs", f"{name}.csv", text)
    return place


def linked(data: Dataset, name: str) -> list[tuple]:
    """The pairs of a relation by their raw ids."""
    one = data.catalog.relations[name]
    known = {"items": data.catalog.items, "users": data.catalog.users, **data.catalog.others}
    ends = [
        known[kind].ids.gather(one.frame[end]).to_list()
        for end, kind in (("head", one.head), ("tail", one.tail))
    ]
    rest = [one.frame[name].to_list() for name in ("kind", "weight") if name in one.frame.columns]
    return sorted(zip(*ends, *rest, strict=True))


def test_a_friend_who_did_nothing_is_a_user_all_the_same(tmp_path: Path):
    data = tr.read(shop(tmp_path, trust="src,dst\n1,2\n2,99\n"))
    assert linked(data, "trust") == [(1, 2), (2, 99)]
    assert data.catalog.users.ids.to_list() == [1, 2, 99]
    assert data.active.tolist() == [True, True, False]


def test_neighbours_are_items_and_keep_their_weights(tmp_path: Path):
    data = tr.read(shop(tmp_path, image_knn10="src,dst,weight\n10,20,0.5\n20,10,0.25\n"))
    assert linked(data, "image_knn10") == [(10, 20, 0.5), (20, 10, 0.25)]


def test_links_of_an_item_nobody_knows_are_refused_or_left_out(tmp_path: Path):
    place = shop(tmp_path, image_knn10="src,dst\n10,20\n10,7\n")
    with pytest.raises(BadData, match="links of unknown items for 1 item: 7"):
        tr.read(place)
    with pytest.warns(UserWarning, match="links of unknown items"):
        data = tr.read(place, on_error="skip")
    assert linked(data, "image_knn10") == [(10, 20)]
    assert data.catalog.items.ids.to_list() == [10, 20]


@pytest.mark.parametrize(
    ("columns", "head", "tail"),
    [
        ("user_id,friend_id", "users", "users"),
        ("user_id,attribute_id", "users", "attributes"),
        ("item_id,category", "items", "categories"),
        ("item_id,city", "items", "cities"),
        ("attribute,parent", "attributes", "parents"),
        ("bundle_id,item_id", "bundles", "items"),
    ],
)
def test_columns_say_what_they_link(tmp_path: Path, columns: str, head: str, tail: str):
    one, two = ("10" if kind == "items" else "1" for kind in (head, tail))
    data = tr.read(shop(tmp_path, x=f"{columns}\n{one},{two}\n"))
    relation = data.catalog.relations["x"]
    assert (relation.head, relation.tail) == (head, tail)
    assert linked(data, "x") == [(int(one), int(two))]


def test_a_list_of_tails_is_a_link_each(tmp_path: Path):
    place = shop(tmp_path)
    frame = pl.DataFrame({"item_id": [10, 20], "tags": [["x", "y"], []]})
    (place / "graphs").mkdir()
    frame.write_parquet(place / "graphs" / "tagged.parquet")
    data = tr.read(place)
    assert linked(data, "tagged") == [(10, "x"), (10, "y")]
    assert data.catalog.others["tags"].ids.to_list() == ["x", "y"]


def test_a_graph_whose_ends_cannot_be_told_is_left_alone_and_named(tmp_path: Path):
    place = shop(tmp_path, mystery="src,dst\n1,2\n", wide="a,b,c\n1,2,3\n")
    report = import_data(place, tmp_path / "out")
    assert not report.relations
    assert report.notes == ("Left alone: graphs/mystery.csv, graphs/wide.csv.",)


def test_a_link_without_an_end_is_a_bad_row(tmp_path: Path):
    with pytest.raises(BadData, match=r"trust\.csv, row 3, column 'dst': missing tail"):
        tr.read(shop(tmp_path, trust="src,dst\n1,2\n1,\n"))


def test_a_weight_that_is_no_number_is_a_bad_row(tmp_path: Path):
    with pytest.raises(BadData, match=r"knn\.csv, row 2, column 'weight': weight is no number"):
        tr.read(shop(tmp_path, knn="src,dst,weight\n10,20,much\n"))


TRIPLES = "head,relation,tail\n10,like,20\n10,made_by,5\n5,lives_in,6\n5,made,20\n"


def test_entities_that_are_no_items_become_others(tmp_path: Path):
    place = shop(tmp_path)
    written(place, "relations.csv", TRIPLES)
    data = tr.read(place)
    assert linked(data, "knowledge_items_items") == [(10, 20, "like")]
    assert linked(data, "knowledge_items_entities") == [(10, 5, "made_by")]
    assert linked(data, "knowledge_entities_entities") == [(5, 6, "lives_in")]
    assert linked(data, "knowledge_entities_items") == [(5, 20, "made")]
    assert data.catalog.others["entities"].ids.to_list() == [5, 6]


@pytest.mark.parametrize("file", ["items.csv", "item_entity.csv"])
def test_items_are_found_among_entities_by_their_entity(tmp_path: Path, file: str):
    place = shop(tmp_path)
    written(place, file, "item_id,entity_id\n10,m.1\n20,m.2\n")
    triples = "head,relation,tail\nm.1,like,m.2\nm.1,made_by,10\n"
    written(place, "relations.csv", triples)
    data = tr.read(place)
    assert linked(data, "knowledge_items_items") == [(10, 20, "like")]
    assert linked(data, "knowledge_items_entities") == [(10, 10, "made_by")]  # no item 10, it is


def test_a_table_of_entities_says_that_ids_are_no_items(tmp_path: Path):
    place = shop(tmp_path)
    written(place, "relations.csv", "head,relation,tail\n10,like,20\n")
    written(place, "entities.csv", "entity_id,name\n10,ten\n20,twenty\n30,thirty\n")
    data = tr.read(place)
    assert linked(data, "knowledge_entities_entities") == [(10, 20, "like")]
    assert data.catalog.others["entities"].features["name"].to_list() == ["ten", "twenty", "thirty"]


def test_a_table_of_triples_needs_its_columns(tmp_path: Path):
    place = shop(tmp_path)
    written(place, "relations.csv", "a,b\n1,2\n")
    with pytest.raises(BadData, match=r"relations\.csv has no column 'head'"):
        tr.read(place)
