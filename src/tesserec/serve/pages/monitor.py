"""Monitor: is the model still right for what happens now?"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from tesserec.experiment import svg
from tesserec.lifecycle.monitor import Report
from tesserec.lifecycle.monitor.report import Share
from tesserec.serve.pages.site import Site

SECTIONS = (
    ("Age", ("age", "newest_event")),
    (
        "What happens now",
        (
            "event_rate",
            "new_items",
            "new_people",
            "popularity_index",
            "popularity_distance",
            "activity_index",
        ),
    ),
    ("What is answered", ("clicks", "foreseen", "strangers", "coverage", "concentration")),
)
WORDS = {
    "fine": "Nothing that can be judged asks for attention.",
    "watch": "Something is worth watching.",
    "act": "Something asks for action.",
    "too few": "Too little has happened to judge.",
    "unknown": "Too little is known to judge.",
}


def routes(site: Site) -> APIRouter:
    """The page of this site."""
    router = APIRouter(route_class=site.route, include_in_schema=False)

    @router.get("/monitor")
    async def monitor(request: Request) -> Response:
        """All signals, and the days behind them."""
        visitor = await site.door.admit(request)
        report = await asyncio.to_thread(site.service.monitoring.report)
        return site.page(request, visitor, "monitor.html.j2", **told(report))

    return router


def told(report: Report) -> dict[str, Any]:
    """A report as the page shows it."""
    signals = {one.name: one for one in report.signals}
    return {
        "report": report,
        "judged": sum(one.verdict in ("fine", "watch", "act") for one in report.signals),
        "words": WORDS[report.verdict],
        "sections": [(title, [signals[name] for name in names]) for title, names in SECTIONS],
        "plots": plots(report),
        "moment": _moment(report.moment),
        "since": _moment(report.since),
    }


def plots(report: Report) -> list[dict[str, str]]:
    """Shares over the days, and popularity beside training; none where nothing happened."""
    found = []
    for title, days, what, note in (
        ("Click rate", report.clicks, "answers clicked", "answers"),
        ("Foreseen", report.foreseen, "events foreseen", "events"),
    ):
        if days:
            text = f"The band is the 95 % interval of each day's share of {note}."
            found.append({"title": title, "svg": _over_days(days, what), "note": text})
    if report.popularity:
        axes = svg.Axes("groups of items, popular first", "share of events", from_zero=True)
        places = range(1, len(report.popularity) + 1)
        series = [
            svg.Series(name, list(zip(places, shares, strict=True)), colour)
            for colour, (name, shares) in enumerate(
                zip(("in training", "now"), zip(*report.popularity, strict=True), strict=True)
            )
        ]
        note = "Each group held about as many events in training; where now is higher, the weight "
        note += "has moved there."
        found.append({"title": "Popularity", "svg": svg.lines(series, axes), "note": note})
    return found


def _over_days(days: Sequence[Share], what: str) -> str:
    rows = [(float(one.day), one.value, one.low, one.high) for one in days]
    return svg.band(rows, svg.Axes("days ago, as minus", what, from_zero=True))


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
