"""Which column is the user, which the item, which the time: told from its name."""

import re
from collections.abc import Sequence

from tesserec.core.errors import BadData
from tesserec.core.spec import nearest
from tesserec.data.intake.options import Columns

# For each role, groups of names, the surest first. Within a group there is no telling which is
# meant, so two of them in one table are a question for the person.
_USERS = (
    ("user", "user_id"),
    ("uid", "user_idx", "user_no", "user_number", "u_id"),
    ("customer_id", "customer", "reviewer_id", "member_id", "client_id", "account_id", "buyer_id"),
    ("visitor_id", "visitor", "session_id", "session"),
)
_ITEMS = (
    ("item", "item_id"),
    ("iid", "item_idx", "item_no", "item_number", "i_id"),
    (
        *("product_id", "product", "sku", "asin", "movie_id", "movie", "article_id", "article"),
        *("book_id", "song_id", "track_id", "artist_id", "video_id", "game_id", "news_id"),
        *("business_id", "venue_id", "poi_id", "recipe_id", "stock_code"),
    ),
    ("parent_asin",),
)
_TIMES = (
    ("timestamp",),
    ("time", "datetime", "ts", "created_at", "unix_review_time", "unix_time", "event_time"),
    ("date",),
)
_ORDERS = (("position", "place"), ("step", "period", "day"))
_WEIGHTS = (
    ("rating", "weight"),
    ("score", "value", "stars", "plays", "play_count", "overall"),
    ("count",),
)
_KINDS = (
    ("event", "kind", "behavior", "behaviour", "event_type", "behavior_type", "behaviour_type"),
    ("type", "action", "action_type", "interaction_type"),
)
_SPLITS = (("split",), ("x_label",))
_ENTITIES = (("entity", "entity_id"),)

ROLES = {
    "user": _USERS,
    "item": _ITEMS,
    "time": _TIMES,
    "order": _ORDERS,
    "weight": _WEIGHTS,
    "kind": _KINDS,
    "split": _SPLITS,
    "entity": _ENTITIES,
}
CANONICAL = ("user", "item", "time", "weight", "kind", "split")


def plain(name: str) -> str:
    """A column's name without case and separators: `User-ID` and `userId` are `userid`."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


_PLAIN = {
    role: tuple(tuple(plain(name) for name in group) for group in groups)
    for role, groups in ROLES.items()
}


def is_named(column: str, role: str) -> bool:
    """Whether a column's name is one of a role's."""
    return any(plain(column) in group for group in _PLAIN[role])


def event_columns(
    columns: Sequence[str], chosen: Columns, place: str
) -> tuple[dict[str, str], bool]:
    """The column of each role there is, and whether the time is only an order.

    Raises `BadData` where a needed one is missing, or two could be meant.
    """
    found = {role: _needed(columns, role, chosen, place) for role in ("user", "item")}
    optional = {
        role: _column(columns, role, chosen, place) for role in ("time", "weight", "kind", "split")
    }
    if optional["time"] is None and chosen.time is None:
        optional["time"] = _told(columns, "order", place)
    roles = {**found, **{role: name for role, name in optional.items() if name is not None}}
    _check_distinct(roles, place)
    return roles, "time" in roles and is_named(roles["time"], "order")


def id_column(columns: Sequence[str], role: str, chosen: Columns, place: str) -> str:
    """The column that says which item (or user) a row of a table is about."""
    name = chosen.named(role)
    if name is not None and name in columns:
        return name
    found = _told(columns, role, place)
    if found is None:
        found = next((name for name in columns if plain(name) == "id"), None)
    if found is None:
        raise _missing(columns, role, place)
    return found


def _needed(columns: Sequence[str], role: str, chosen: Columns, place: str) -> str:
    found = _column(columns, role, chosen, place)
    if found is None:
        raise _missing(columns, role, place)
    return found


def _column(columns: Sequence[str], role: str, chosen: Columns, place: str) -> str | None:
    name = chosen.named(role)
    if name is None:
        return _told(columns, role, place)
    if name in columns:
        return name
    if name == "none":
        return None
    raise BadData(
        f"{place} has no column {name!r}{nearest(name, columns)}.",
        f"Name one of them with --{role}-column.",
    )


def _told(columns: Sequence[str], role: str, place: str) -> str | None:
    for group in _PLAIN[role]:
        meant = [name for name in columns if plain(name) in group]
        if len(meant) > 1:
            option = "time" if role == "order" else role
            raise BadData(
                f"{place} has {len(meant)} columns that could be the {role}: {', '.join(meant)}.",
                f"Choose one with --{option}-column.",
            )
        if meant:
            return meant[0]
    return None


def _missing(columns: Sequence[str], role: str, place: str) -> BadData:
    return BadData(
        f"{place} has no column that looks like the {role}; it has {', '.join(columns)}.",
        f"Name it with --{role}-column.",
    )


def _check_distinct(roles: dict[str, str], place: str) -> None:
    for role, name in roles.items():
        twin = next((other for other in roles if roles[other] == name and other != role), None)
        if twin is not None:
            raise BadData(
                f"Column {name!r} of {place} cannot be both {role} and {twin}.",
                f"Choose another with --{twin}-column.",
            )
