"""Every table of a source, read and checked, with the ids of one kind in one type everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tesserec.core.errors import BadData
from tesserec.data.intake.entities import Things, read_things
from tesserec.data.intake.events import Events, read_events
from tesserec.data.intake.ids import Ids, as_type, common_type
from tesserec.data.intake.links import ENTITIES, Pairs, read_knowledge, read_links
from tesserec.data.intake.options import Columns
from tesserec.data.intake.problems import Findings
from tesserec.data.intake.raw import Raw

ITEMS, USERS = "items", "users"


@dataclass(frozen=True)
class Gathered:
    """What happened, what there is, and what is linked."""

    events: Events | None
    things: Mapping[str, Things]
    pairs: tuple[Pairs, ...] = ()

    def met(self, kind: str) -> list[Ids]:
        """Every column that speaks of one kind of thing."""
        met = [self.things[kind].ids] if kind in self.things else []
        if self.events is not None and kind in (ITEMS, USERS):
            column = self.events.frame["item" if kind == ITEMS else "user"]
            met.append(Ids(column, self.events.typed))
        return met + [ids for one in self.pairs for ids in one.ids(kind)]

    def kinds(self) -> set[str]:
        """Every kind of thing that is spoken of."""
        linked = (end for one in self.pairs for end in (one.head, one.tail))
        return {ITEMS, USERS, *self.things, *linked}

    def in_one_type(self) -> "Gathered":
        """The same tables: whole numbers where every table has whole numbers, else text."""
        types = {kind: common_type(self.met(kind)) for kind in self.kinds()}
        events = self.events
        if events is not None:
            user = as_type(events.frame["user"], types[USERS])
            item = as_type(events.frame["item"], types[ITEMS])
            events = replace(events, frame=events.frame.with_columns(user=user, item=item))
        things = {}
        for kind, table in self.things.items():
            ids = as_type(table.frame["id"], types[kind])
            things[kind] = replace(table, frame=table.frame.with_columns(id=ids))
        return Gathered(events, things, tuple(one.as_types(types) for one in self.pairs))


def gathered(raw: Raw, chosen: Columns, found: Findings) -> Gathered:
    """Read all tables but vectors and media."""
    events = None
    if raw.interactions is not None:
        events = read_events(raw.interactions, chosen, found)
    tables = {ITEMS: raw.items, USERS: raw.users}
    if raw.knowledge is not None:
        tables[ENTITIES] = raw.knowledge.entities
    roles = {ITEMS: "item", USERS: "user", ENTITIES: "entity"}
    things = {
        kind: read_things(table, roles[kind], chosen, found)
        for kind, table in tables.items()
        if table is not None
    }
    if events is None and ITEMS not in things:
        raise BadData("There are neither interactions nor items.")
    pairs = tuple(read_links(links, found) for links in raw.links)
    if raw.knowledge is not None:
        items = Gathered(events, things).met(ITEMS)
        pairs += tuple(read_knowledge(raw.knowledge, items, found))
    return Gathered(events, things, pairs).in_one_type()
