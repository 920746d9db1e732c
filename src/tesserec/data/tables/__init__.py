"""Files of rows: what they hold, where it stands, and which rows are broken."""

from tesserec.data.tables.delimited import delimited_table
from tesserec.data.tables.exact import NO_UTF8, WRONG_FIELDS
from tesserec.data.tables.files import SUFFIXES, TEXT, is_table, kind_of, open_table
from tesserec.data.tables.jsonlines import NO_OBJECT
from tesserec.data.tables.table import BROKEN, REASON, ROW, VALUE, Loaded, Table, lazy_table

__all__ = [
    "BROKEN",
    "NO_OBJECT",
    "NO_UTF8",
    "REASON",
    "ROW",
    "SUFFIXES",
    "TEXT",
    "VALUE",
    "WRONG_FIELDS",
    "Loaded",
    "Table",
    "delimited_table",
    "is_table",
    "kind_of",
    "lazy_table",
    "open_table",
]
