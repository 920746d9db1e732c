"""What the report shows of the data: counts, warnings, and two curves."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

from tesserec.core import Dataset
from tesserec.data.describe import Description, describe

POINTS = 120  # of a curve


def data_page(data: Dataset) -> dict[str, Any]:
    """In JSON types, for `data.json`."""
    found = describe(data)
    page: dict[str, Any] = {
        "description": found.to_dict(),
        "facts": _facts(found),
        "warnings": list(found.warnings),
        "lines": found.lines(),
        "long_tail": _long_tail(data),
    }
    if data.interactions.clock == "seconds" and len(data.interactions):
        page |= _over_time(data)
    return page


def _facts(found: Description) -> list[dict[str, str]]:
    facts = {
        "users": f"{found.users:,}",
        "items": f"{found.items:,}",
        "events": f"{found.events:,}",
        "density": f"{100 * found.density:.3g} %",
    }
    return [{"name": name, "value": value} for name, value in facts.items()]


def _long_tail(data: Dataset) -> list[tuple[float, float]]:
    """(share of items, share of events), the most chosen first."""
    events = np.sort(data.popularity.numpy())[::-1]
    if not events.sum():
        return []
    shares = np.concatenate([[0.0], np.cumsum(events) / events.sum()])
    places = np.unique(np.linspace(0, len(events), POINTS).round().astype(int))
    return [(float(p / len(events)), float(shares[p])) for p in places]


def _over_time(data: Dataset) -> dict[str, Any]:
    times = data.interactions.column("time").numpy()
    if times.min() == times.max():
        return {}
    counts, edges = np.histogram(times, bins=60)
    first, last = (datetime.fromtimestamp(int(t), UTC).date() for t in (times.min(), times.max()))
    days = (edges[:-1] - edges[0]) / 86400
    return {
        "over_time": [(float(d), int(c)) for d, c in zip(days, counts, strict=True)],
        "time_unit": f"days since {first}",
        "time_note": f"From {first} to {last}.",
    }
