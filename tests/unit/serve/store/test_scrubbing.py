"""A forgotten person is in no byte of the files of an SQLite store."""

import random
from pathlib import Path

from tesserec.serve.store import Event, Exposure, Item, Session, Store


def holds(folder: Path, *words: str) -> list[str]:
    """Which of some words are in a file of a folder."""
    content = b"".join(path.read_bytes() for path in folder.iterdir())
    return [word for word in words if word.encode() in content]


def test_nothing_of_a_forgotten_user_is_left_in_any_file(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store.db"))
    store.add([Event("event-1", "ann-private", "tea", None, "kind-1"), Event("2", "bob", "tea")])
    store.keep_session(Session("session-1", "ann-private", {"said": "my secret"}, 1.0))
    store.add_exposures([Exposure("request-1", "v1", "ann-private", ("tea",), 1.0)])
    words = ("ann-private", "event-1", "kind-1", "session-1", "my secret", "request-1")
    assert holds(tmp_path, *words) == list(words)
    store.forget_user("ann-private")
    assert holds(tmp_path, *words) == []
    assert holds(tmp_path, "bob") == ["bob"]
    assert (tmp_path / "store.db-wal").stat().st_size == 0
    store.close()


def test_pages_that_were_split_keep_no_copies(tmp_path: Path) -> None:
    """Deleting alone leaves copies between the rows of pages: as many events as show that."""
    draw = random.Random(0)
    people = [f"{draw.getrandbits(64):016x}-{n:05d}" for n in range(1500)]
    store = Store(str(tmp_path / "store.db"))
    for _ in range(30):
        names = draw.choices(people, k=1000)
        store.add([Event(f"{draw.getrandbits(96):x}", one, "tea") for one in names])
    for person in (gone := people[:30]):
        store.forget_user(person)
        assert holds(tmp_path, person) == []
    assert holds(tmp_path, *gone) == []
    assert len(holds(tmp_path, *people[30:80])) == 50
    store.close()


def test_nothing_of_a_forgotten_item_is_left_in_any_file(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store.db"))
    store.add([Event("1", "ann", "item-gone")])
    store.add_items([Item("item-gone", {"title": "a title that goes"}), Item("stays")])
    store.add_exposures([Exposure("r", "v1", "ann", ("stays", "item-gone"), 1.0)])
    assert holds(tmp_path, "item-gone", "a title that goes")
    store.forget_item("item-gone")
    assert holds(tmp_path, "item-gone", "a title that goes") == []
    store.close()
