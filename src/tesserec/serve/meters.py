"""Figures for Prometheus."""

import os
from dataclasses import dataclass, field

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

from tesserec.lifecycle.monitor import Report

VERDICTS = {"fine": 0, "watch": 1, "act": 2}
SECONDS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 2, 5, 10)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
SHARED = "PROMETHEUS_MULTIPROC_DIR"  # where several workers add their figures up


@dataclass
class Meters:
    """What is counted and timed; of several workers, all together."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        here = self.registry
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.requests = Counter(
            "tesserec_requests", "Answered requests.", ["route", "method", "status"], registry=here
        )
        self.seconds = Histogram(
            "tesserec_request_seconds", "Time to answer.", ["route"], buckets=SECONDS, registry=here
        )
        self.batch = Histogram(
            "tesserec_batch_size", "Questions of one forward pass.", buckets=SIZES, registry=here
        )
        self.events = Counter("tesserec_events", "Events kept.", registry=here)
        self.items = Counter("tesserec_items", "New items taken in.", registry=here)
        self.swaps = Counter("tesserec_swaps", "Models activated.", registry=here)
        self.waiting = Gauge(
            "tesserec_waiting",
            "Questions that wait for the model.",
            registry=here,
            multiprocess_mode="livesum",
        )

        exposures = Counter(
            "tesserec_exposures", "Answers noted for the report, or not.", ["how"], registry=here
        )
        self.exposures_kept, self.exposures_full, self.exposures_lost = (
            exposures.labels(how) for how in ("kept", "dropped", "failed")
        )
        shadows = Counter(
            "tesserec_shadows", "Requests that the shadow was asked.", ["how"], registry=here
        )
        self.shadows_answered, self.shadows_full, self.shadows_failed = (
            shadows.labels(how) for how in ("answered", "dropped", "failed")
        )

        def watched(name: str, says: str, *labels: str) -> Gauge:
            name = f"tesserec_monitor_{name}"
            return Gauge(name, says, labels, registry=here, multiprocess_mode="livemostrecent")

        self.signals = watched("value", "What is watched.", "signal")
        says = "0 fine, 1 watch, 2 act, -1 too few to judge or unknown."
        self.verdicts = watched("verdict", says, "signal")
        self.moment = watched("timestamp_seconds", "When the monitor last looked.")

    def monitored(self, report: Report) -> None:
        """What the monitor says."""
        for signal in report.signals:
            value = float("nan") if signal.value is None else signal.value
            self.signals.labels(signal.name).set(value)
            self.verdicts.labels(signal.name).set(VERDICTS.get(signal.verdict, -1))
        self.moment.set(report.moment)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """One request more."""
        key = (route, method, status)
        if key not in self._known:  # looking labels up takes longer than counting
            self._known[key] = (self.requests.labels(*key), self.seconds.labels(route))
        counter, histogram = self._known[key]
        counter.inc()
        histogram.observe(seconds)

    def text(self) -> bytes:
        """All figures, as Prometheus reads them."""
        if SHARED not in os.environ:
            return generate_latest(self.registry)
        everybody = CollectorRegistry()
        multiprocess.MultiProcessCollector(everybody)
        return generate_latest(everybody)
