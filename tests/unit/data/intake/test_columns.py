import pytest

from tesserec.core.errors import BadData
from tesserec.data.intake import Columns
from tesserec.data.intake.columns import ROLES, event_columns, id_column, plain

ALIASES = [
    (role, name)
    for role, groups in ROLES.items()
    for group in groups
    for name in group
    if role != "entity"
]


@pytest.mark.parametrize(("role", "name"), ALIASES)
def test_every_alias_is_recognised_in_any_case_with_any_separator(role: str, name: str):
    others = {"user": "user", "item": "item"}
    for written in (name, name.upper(), name.replace("_", "-"), plain(name), name.title()):
        columns = [*(other for known, other in others.items() if known != role), written]
        roles, is_order = event_columns(columns, Columns(), "x.csv")
        assert roles["time" if role == "order" else role] == written
        assert is_order == (role == "order")


@pytest.mark.parametrize(
    "name",
    ["user_id", "user", "uid", "userId", "visitor_id", "customer_id", "session_id", "reviewerID"],
)
def test_the_names_people_use_for_users(name: str):
    assert event_columns([name, "item"], Columns(), "x")[0]["user"] == name


@pytest.mark.parametrize(
    "name", ["item_id", "item", "iid", "movieId", "asin", "product_id", "itemId", "sku", "Item.ID"]
)
def test_the_names_people_use_for_items(name: str):
    assert event_columns(["user", name], Columns(), "x")[0]["item"] == name


def test_a_surer_name_wins_over_a_less_sure_one():
    columns = ["session_id", "user_id", "asin", "item_id", "date", "timestamp", "count", "rating"]
    roles, _ = event_columns(columns, Columns(), "x")
    assert roles == {
        "user": "user_id",
        "item": "item_id",
        "time": "timestamp",
        "weight": "rating",
    }


def test_two_equally_sure_names_are_a_question():
    with pytest.raises(BadData) as error:
        event_columns(["customer_id", "member_id", "item"], Columns(), "x.csv")
    assert "customer_id, member_id" in error.value.cause
    assert error.value.cure == "Choose one with --user-column."


def test_a_missing_column_names_those_there_are_and_the_option():
    with pytest.raises(BadData) as error:
        event_columns(["who", "what"], Columns(), "x.csv")
    assert "x.csv" in error.value.cause
    assert "who, what" in error.value.cause
    assert "--user-column" in error.value.cure


def test_a_person_decides_over_every_guess():
    columns = ["user", "item", "buyer", "time", "seen_at"]
    roles, _ = event_columns(columns, Columns(user="buyer", time="seen_at"), "x")
    assert roles == {"user": "buyer", "item": "item", "time": "seen_at"}


def test_a_column_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(BadData, match="did you mean 'buyer'"):
        event_columns(["buyer", "item"], Columns(user="buyr"), "x")


def test_none_ignores_an_optional_column():
    roles, _ = event_columns(["user", "item", "time", "position"], Columns(time="none"), "x")
    assert "time" not in roles


def test_a_position_stands_in_for_a_time_that_is_not_there():
    with_time, _ = event_columns(["user", "item", "time", "position"], Columns(), "x")
    assert with_time["time"] == "time"
    roles, is_order = event_columns(["user", "item", "position"], Columns(), "x")
    assert (roles["time"], is_order) == ("position", True)


def test_one_column_cannot_be_two_things():
    with pytest.raises(BadData, match="cannot be both"):
        event_columns(["user", "item"], Columns(item="user"), "x")


def test_a_table_of_things_may_call_its_id_id():
    assert id_column(["id", "title"], "item", Columns(), "items.csv") == "id"
    assert id_column(["asin", "id"], "item", Columns(), "items.csv") == "asin"
    assert id_column(["code", "title"], "item", Columns(item="code"), "items.csv") == "code"
    with pytest.raises(BadData, match="title"):
        id_column(["title"], "item", Columns(item="code"), "items.csv")
