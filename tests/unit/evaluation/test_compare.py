"""What methods are called that stand side by side."""

from collections.abc import Mapping
from typing import Any

import polars as pl

import tesserec as tr
from tesserec.evaluation import Report, Value, compare


def report_of(name: str, method: Mapping[str, Any]) -> Report:
    """A report of two requests."""
    each = pl.DataFrame({"request": [0, 1], "user": 0, "recall@10": [0.0, 1.0]})
    counted = (2, {}, {"recall@10": Value(0.5)}, {}, 1, 0.0, "digest", each)
    return Report(name, method, {}, "event", "exclude", *counted)


def names_of(*methods: tr.Method) -> tuple[str, ...]:
    found = compare(*(report_of(type(one).__name__, one.to_dict()) for one in methods))
    return found.names


def test_methods_of_one_name_are_called_by_the_one_field_that_tells_all_of_them_apart():
    assert names_of(tr.MF(dim=8), tr.Popular(), tr.MF(dim=16)) == (
        "MF (dim=8)",
        "Popular",
        "MF (dim=16)",
    )
    found = names_of(
        tr.TIGER(ids={"kind": "LSH"}, shared=True),
        tr.TIGER(ids={"kind": "OPQ"}),
        tr.TIGER(ids={"kind": "RQKMeans"}),
    )
    assert found == ("TIGER (ids.kind=LSH)", "TIGER (ids.kind=OPQ)", "TIGER (ids.kind=RQKMeans)")


def test_an_outer_field_is_taken_before_one_of_a_part():
    one, other = tr.MF(dim=8).changed({"schedule": {"epochs": 2}}), tr.MF(dim=9)
    assert names_of(one, other) == ("MF (dim=8)", "MF (dim=9)")
    assert names_of(one, one.changed({"schedule": {"epochs": 3}})) == (
        "MF (schedule.epochs=2)",
        "MF (schedule.epochs=3)",
    )


def test_where_no_single_field_tells_all_apart_they_are_numbered():
    assert names_of(tr.MF(dim=8), tr.MF(dim=8)) == ("MF (1)", "MF (2)")
    settings = [(8, 1), (8, 2), (9, 1)]
    methods = [tr.MF(dim=d).changed({"schedule": {"epochs": e}}) for d, e in settings]
    assert names_of(*methods) == ("MF (1)", "MF (2)", "MF (3)")
    strangers = compare(report_of("mine", {}), report_of("mine", {"note": "a" * 30}))
    assert strangers.names == ("mine (1)", "mine (2)")
    long = compare(report_of("mine", {"path": "a" * 30}), report_of("mine", {"path": "b" * 30}))
    assert long.names == ("mine (1)", "mine (2)")
