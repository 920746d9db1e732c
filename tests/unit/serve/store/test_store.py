"""What a store keeps, in SQLite and in PostgreSQL."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread
from time import time

import pytest
from sqlalchemy import event as signals

from tesserec.core.errors import BadRequest, UnknownId
from tesserec.serve.store import Event, Exposure, Item, Session, Store, Tally, Version


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = Store(database_url)
    yield opened
    opened.close()


def clicks(user: str, *items: str) -> list[Event]:
    return [Event(f"{user} {item}", user, item) for item in items]


def test_a_history_is_in_order_of_arrival_and_holds_what_was_sent(store: Store) -> None:
    late = Event("1", "ann", "tea", 900, "buy", 2.5)
    early = Event("0", "ann", "mug", 100)
    assert store.add([late, Event("2", "bob", "tea")]) == 2
    assert store.add([early]) == 1
    assert store.history("ann") == [late, early]


def test_somebody_unknown_has_an_empty_history(store: Store) -> None:
    assert store.history("nobody") == []


def test_an_id_that_comes_again_counts_once_and_the_first_one_stays(store: Store) -> None:
    first = Event("1", "ann", "tea")
    assert store.add([first, replace(first, item="mug"), Event("2", "ann", "hose")]) == 2
    assert store.add([replace(first, item="jug")]) == 0
    assert [one.item for one in store.history("ann")] == ["tea", "hose"]


def test_no_events_are_no_events(store: Store) -> None:
    assert store.add([]) == 0
    assert store.histories([]) == []


def test_ids_may_be_any_text(store: Store) -> None:
    odd = ["o'hara", '"', "%_\\", "ü 中 🫖", " ", ":id", "x" * 512, "é" * 512]
    events = [Event(f"e{one}", one, one, None, one) for one in odd if len(one) < 512]
    events += [Event(one, one, one) for one in odd[-2:]]
    assert store.add(events) == len(odd)
    assert [one[0].item for one in store.histories(odd)] == odd


@pytest.mark.parametrize(
    "bad",
    [
        Event("", "ann", "tea"),
        Event("1", "a\0b", "tea"),
        Event("1", "ann", "\ud800"),
        Event("1", "ann", "t" * 513),
        Event("1", "ann", "tea", 2**63),
        Event("1", "ann", "tea", None, ""),
        Event("1", "ann", "tea", None, None, float("nan")),
    ],
)
def test_one_bad_event_refuses_its_request_whole(store: Store, bad: Event) -> None:
    with pytest.raises(BadRequest):
        store.add([Event("0", "ann", "tea"), bad])
    assert store.history("ann") == []


def test_histories_of_more_people_than_a_query_has_parameters_take_one_query(store: Store) -> None:
    store.add([*clicks("ann", "tea", "mug"), *clicks("bob", "hose")])
    asked: list[str] = []
    signals.listen(
        store._database.engine,
        "before_cursor_execute",
        lambda _c, _r, statement, *_: asked.append(statement),
    )
    found = store.histories([*map(str, range(70_000)), "bob", "ann", "bob"])
    assert [[one.item for one in history] for history in found[70_000:]] == [
        ["hose"],
        ["tea", "mug"],
        ["hose"],
    ]
    assert not any(found[:70_000])
    assert len([one for one in asked if "SELECT" in one]) == 1


def test_threads_that_add_at_once_share_commits_and_each_hears_how_many_were_new(
    store: Store,
) -> None:
    commits: list[object] = []
    signals.listen(store._database.engine, "commit", commits.append)
    new: list[int] = []

    def client(number: int) -> None:
        for step in range(20):
            # "shared" is sent by all, and is new to one of them.
            events = [Event(f"{number}-{step}", f"u{number}", "tea"), Event(f"s{step}", "s", "tea")]
            new.append(store.add(events))

    threads = [Thread(target=client, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(new) == 16 * 20 + 20
    assert min(new) >= 1
    assert len(commits) < 16 * 20 / 2
    for number in range(16):
        assert [one.id for one in store.history(f"u{number}")] == [
            f"{number}-{step}" for step in range(20)
        ]


def test_what_was_kept_is_there_when_the_store_is_opened_again(database_url: str) -> None:
    store = Store(database_url)
    store.add(clicks("ann", "tea"))
    store.add_items([Item("new", {"title": "New tea", "price": 2.5})])
    store.register(Version("v1", "runs/v1", 1.5, active=True))
    store.close()
    again = Store(database_url)
    assert again.history("ann") == clicks("ann", "tea")
    assert again.items() == [Item("new", {"title": "New tea", "price": 2.5})]
    assert again.active() == Version("v1", "runs/v1", 1.5, active=True)
    again.close()


def test_two_stores_on_one_database_see_each_other(database_url: str) -> None:
    one, other = Store(database_url), Store(database_url)
    one.add(clicks("ann", "tea"))
    other.add(clicks("ann", "tea", "mug"))
    assert one.history("ann") == other.history("ann") == clicks("ann", "tea", "mug")
    one.close()
    other.close()


def test_a_forgotten_user_leaves_nothing_and_everybody_else_stays(store: Store) -> None:
    store.add([*clicks("ann", "tea", "mug"), *clicks("bob", "tea")])
    store.keep_session(Session("s1", "ann", {"said": "hello"}, 1.0))
    store.keep_session(Session("s2", "bob", {}, 1.0))
    shown = [Exposure(f"r {one}", "v1", one, ("tea",), 1.0) for one in ("ann", "bob")]
    store.add_exposures(shown)
    assert store.forget_user("ann") == {"events": 2, "sessions": 1, "exposures": 1}
    assert not any(store.forget_user("ann").values())
    assert store.history("ann") == []
    assert store.history("bob") == clicks("bob", "tea")
    assert store.session("s1") is None
    assert store.session("s2") is not None
    assert store.exposures() == shown[1:]


def test_what_each_version_showed_and_what_was_clicked_is_counted(store: Store) -> None:
    odd = "o'h\"a%"
    store.add([Event("1", "ann", odd, 12), Event("2", "bob", "tea", 500), Event("3", "ann", "tea")])
    shown = [
        Exposure("r1", "v1", "ann", ("mug", odd), 12.9),
        Exposure("r2", "v1", "bob", ("tea",), 12.0),
        Exposure("r3", "v2", None, (odd,), 12.0),
        Exposure("r3/shadow", "v3", None, (), 12.0, shadow=True),
        Exposure("r0", "v0", "ann", (odd,), 1.0),
    ]
    assert store.add_exposures(shown) == 5
    assert store.exposures("v3") == shown[3:4]
    assert store.tallies(since=12, window=100) == [
        Tally("v1", False, 2, 2, 2, 1),
        Tally("v2", False, 1, 0, 0, 0),
        Tally("v3", True, 1, 0, 0, 0),
    ]
    assert store.tallies(since=99, window=100) == []
    assert store.end_exposures(before=2) == 1


def test_settings_are_as_they_were_set_last(store: Store) -> None:
    assert store.setting("traffic") is None
    for value in ({"a": [1, None]}, {"b": 0.5}):
        store.set("traffic", value)
        assert store.setting("traffic") == value


def test_who_was_forgotten_is_remembered_without_a_name(store: Store) -> None:
    store.forget_user("ann")
    assert store.forgotten(["bob", "ann", "Ann"]) == [False, True, False]
    assert store.forgotten([]) == []
    late = Exposure("r1", "v1", "ann", ("tea",), time() - 1)
    assert store.add_exposures([late, Exposure("r2", "v1", "bob", (), 1.0)]) == 1
    assert store.add_exposures([late]) == 0
    assert store.add_exposures([replace(late, time=time() + 1)]) == 1


def test_whoever_is_forgotten_while_others_write_what_was_shown_stays_forgotten(
    database_url: str,
) -> None:
    stores = [Store(database_url) for _ in range(3)]
    failed: list[Exception] = []

    def show(number: int) -> None:
        try:
            for step in range(30):
                name = f"{number}-{step}"
                stores[number].add_exposures([Exposure(name, "v", "ann", ("tea",), 1.0)])
        except Exception as error:
            failed.append(error)

    threads = [Thread(target=show, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    stores[2].forget_user("ann")
    for thread in threads:
        thread.join()
    assert not failed
    assert stores[2].exposures() == []
    for store in stores:
        store.close()


def test_a_forgotten_item_leaves_events_catalogue_and_lists(store: Store) -> None:
    store.add([*clicks("ann", "t_a", "mug"), *clicks("bob", "t_a")])
    store.add_items([Item("t_a"), Item("tea")])
    store.add_exposures([Exposure("r", "v1", "ann", ("tea", "t_a", "mug"), 1.0)])
    assert store.forget_item("t_a") == 3
    assert store.history("ann") == clicks("ann", "mug")
    assert store.history("bob") == []
    assert store.items() == [Item("tea")]
    assert store.exposures()[0].items == ("tea", "mug")


def test_events_after_a_forgotten_one_keep_their_order(store: Store) -> None:
    store.add(clicks("ann", "tea"))
    store.add(clicks("bob", "tea"))
    store.forget_user("bob")
    store.add(clicks("ann", "mug", "hose"))
    assert [one.item for one in store.history("ann")] == ["tea", "mug", "hose"]


def test_items_keep_their_place_when_their_features_change(store: Store) -> None:
    assert store.add_items([Item("b", {"price": 1}), Item("a", {"tags": ["x", None]})]) == 2
    assert store.add_items([Item("c"), Item("b", {"price": 2})]) == 1
    assert store.items() == [
        Item("b", {"price": 2}),
        Item("a", {"tags": ["x", None]}),
        Item("c"),
    ]
    assert store.add_items([]) == 0


def test_features_that_are_no_json_are_refused(store: Store) -> None:
    with pytest.raises(BadRequest, match="JSON"):
        store.add_items([Item("a", {"price": float("inf")})])
    with pytest.raises(BadRequest, match="JSON"):
        store.add_items([Item("a", {"price": Path("x")})])


def test_one_version_is_active_at_a_time(store: Store) -> None:
    assert store.active() is None
    store.register(Version("v1", "runs/v1", 1.0, active=True))
    store.register(Version("v2", "runs/v2", 2.0))
    assert [one.name for one in store.versions() if one.active] == ["v1"]
    store.activate("v2")
    assert store.versions() == [
        Version("v1", "runs/v1", 1.0, active=False),
        Version("v2", "runs/v2", 2.0, active=True),
    ]
    store.activate("v1")
    assert store.active() == Version("v1", "runs/v1", 1.0, active=True)


def test_a_version_that_is_not_there_is_not_activated_and_the_old_one_stays(store: Store) -> None:
    store.register(Version("v1", "runs/v1", 1.0, active=True))
    with pytest.raises(UnknownId, match="v9"):
        store.activate("v9")
    assert store.active() is not None


def test_a_name_stands_for_one_folder(store: Store) -> None:
    store.register(Version("v1", "runs/v1", 1.0, active=True))
    store.register(Version("v1", "runs/v1", 5.0))
    with pytest.raises(BadRequest, match="runs/v1"):
        store.register(Version("v1", "runs/other", 2.0, active=True))
    assert store.versions() == [Version("v1", "runs/v1", 1.0, active=True)]


def test_versions_activated_by_several_workers_at_once_leave_one_active(database_url: str) -> None:
    stores = [Store(database_url) for _ in range(4)]
    for number in range(4):
        stores[0].register(Version(f"v{number}", f"runs/{number}", float(number)))
    failed: list[Exception] = []

    def activate(number: int) -> None:
        try:
            for step in range(10):
                stores[number].activate(f"v{(number + step) % 4}")
        except Exception as error:
            failed.append(error)

    threads = [Thread(target=activate, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert sum(one.active for one in stores[0].versions()) == 1
    for store in stores:
        store.close()


def test_a_session_is_as_it_was_kept_last_and_ends_when_it_is_old(store: Store) -> None:
    store.keep_session(Session("s", None, {"said": ["hello"]}, 1.0))
    store.keep_session(Session("s", "ann", {"said": ["hello", "you"]}, 2.0))
    store.keep_session(Session("new", None, {}, 9.0))
    assert store.session("s") == Session("s", "ann", {"said": ["hello", "you"]}, 2.0)
    assert store.end_sessions(before=5.0) == 1
    assert store.session("s") is None
    assert store.session("new") is not None


def test_what_was_shown_is_found_by_version_and_moment_and_once_for_a_request(store: Store) -> None:
    first = Exposure("r1", "v1", "ann", ("tea", "mug"), 1.0)
    second = Exposure("r2", "v2", None, (), 2.0)
    assert store.add_exposures([first, second]) == 2
    assert store.add_exposures([replace(first, items=("jug",)), first]) == 0
    assert store.exposures() == [first, second]
    assert store.exposures("v1") == [first]
    assert store.exposures(since=2.0) == [second]
