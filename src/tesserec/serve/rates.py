"""How often a key may ask: a bucket of tokens that fills up at an even rate."""

import math
from dataclasses import dataclass, field


@dataclass
class Rates:
    """A second's worth of requests at once, then `rate` a second, for each of few callers."""

    rate: float
    _levels: dict[str, tuple[float, float]] = field(default_factory=dict)  # tokens, at which time

    def wait(self, caller: str, now: float) -> float:
        """Seconds until this caller may ask; 0 if now, which takes a token."""
        most = max(1.0, self.rate)
        tokens, then = self._levels.get(caller, (most, now))
        tokens = min(most, tokens + (now - then) * self.rate)
        if tokens < 1:
            self._levels[caller] = (tokens, now)
            return math.nextafter((1 - tokens) / self.rate, math.inf)
        self._levels[caller] = (tokens - 1, now)
        return 0.0
