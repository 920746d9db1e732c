"""Activity: the figures of /metrics in words, and the latest trouble."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client.parser import text_string_to_metric_families

from tesserec.serve.pages.site import Site


@dataclass
class Route:
    """What became of the requests of one route."""

    name: str
    count: int = 0
    refused: int = 0  # 4xx
    failed: int = 0  # 5xx
    within: dict[float, float] = field(default_factory=dict)  # seconds -> requests that took less

    def quantile(self, share: float) -> float | None:
        """So many seconds at most took this share of the requests, None where nobody knows."""
        total = max(self.within.values(), default=0.0)
        for bound, count in sorted(self.within.items()):
            if total and count >= share * total:
                return bound
        return None


def routes(site: Site) -> APIRouter:
    """The page of this site."""
    router = APIRouter(route_class=site.route, include_in_schema=False)
    service = site.service

    @router.get("/activity")
    async def activity(request: Request) -> Response:
        """How much was asked, how long it took, what went wrong."""
        visitor = await site.door.admit(request)
        samples = _samples(service.figures().decode())
        told: dict[str, Any] = {
            "routes": by_route(samples),
            "events": int(_total(samples, "tesserec_events_total")),
            "swaps": int(_total(samples, "tesserec_swaps_total")),
            "passes": int(_total(samples, "tesserec_batch_size_count")),
            "questions": int(_total(samples, "tesserec_batch_size_sum")),
            "waiting": len(service.questions),
            "limits": service.limits,
            "troubles": [
                (_moment(one.time), one.error, one.request_id)
                for one in reversed(service.log.troubles)
            ],
        }
        return site.page(request, visitor, "activity.html.j2", **told)

    return router


Samples = Mapping[str, list[tuple[Mapping[str, str], float]]]


def by_route(samples: Samples) -> list[Route]:
    """The routes that were asked, the most asked first."""
    found: dict[str, Route] = {}
    for labels, value in samples.get("tesserec_requests_total", ()):
        route = found.setdefault(labels["route"], Route(labels["route"]))
        status = int(labels["status"])
        route.count += int(value)
        route.refused += int(value) * (400 <= status < 500)
        route.failed += int(value) * (status >= 500)
    for labels, value in samples.get("tesserec_request_seconds_bucket", ()):
        if labels["route"] in found:
            found[labels["route"]].within[float(labels["le"])] = value
    return sorted(found.values(), key=lambda one: (-one.count, one.name))


def _samples(text: str) -> Samples:
    found: dict[str, list[tuple[Mapping[str, str], float]]] = defaultdict(list)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name].append((sample.labels, sample.value))
    return found


def _total(samples: Samples, name: str) -> float:
    return sum(_values(samples.get(name, ())))


def _values(some: Iterable[tuple[Mapping[str, str], float]]) -> list[float]:
    return [value for _, value in some]


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
