"""What a table of pairs links, told from the names of its columns and of its file."""

import re

from tesserec.data.intake import Links, is_named, plain
from tesserec.data.tables import Table

_HEADS = ("src", "source", "head", "from")
_TAILS = ("dst", "target", "tail", "to")
_PEOPLE = ("friend", "trust", "social", "follow", "net")
_PERSON = ("friend", "trustee", "truster", "follower", "followee")
_ALIKE = ("knn", "item", "also", "similar", "image", "text", "audio")


def graph(table: Table, name: str) -> Links | None:
    """The links of a two-column table (a third may be a weight); None where it cannot be told."""
    pair = [column for column in table.columns if plain(column) != "weight"]
    if len(pair) != 2:
        return None
    head, tail = pair
    if plain(head) in _HEADS and plain(tail) in _TAILS:
        what = _ends(name)
        kinds = None if what is None else (what, what)
    else:
        kinds = (_kind(head), _kind(tail))
    if kinds is None:
        return None
    weight = next((column for column in table.columns if plain(column) == "weight"), None)
    return Links(name, table, *kinds, head, tail, weight_column=weight)


def _ends(name: str) -> str | None:
    """What both ends of a graph are, by the name of its file."""
    if any(word in name.lower() for word in _PEOPLE):
        return "users"
    return "items" if any(word in name.lower() for word in _ALIKE) else None


def _kind(column: str) -> str:
    """`attribute_id` speaks of attributes, `friend_id` of users."""
    if is_named(column, "user") or any(word in column.lower() for word in _PERSON):
        return "users"
    if is_named(column, "item"):
        return "items"
    bare = re.sub(r"_?id$", "", column.lower()) or column.lower()
    if bare.endswith("s"):
        return bare
    return f"{bare[:-1]}ies" if bare.endswith("y") else f"{bare}s"
