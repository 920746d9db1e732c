"""Promise 2: at three times its capacity a server refuses politely, and is back to normal in 5 s.

Capacity is what connections that ask again at once get. Then three times as much is sent at an even
pace, and after that half of it, whose times are compared with the same half from before.
"""

import argparse
import time

from benchmarks.reliability.common import Server, ask, bodies, finish, fitted, serving, workplace

USERS = 2000
BACK = 5.0  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=200_000, help="more: a lower capacity")
    parser.add_argument("--seconds", type=float, default=30.0, help="of overload")
    parser.add_argument("--times", type=float, default=3.0, help="the capacity")
    parser.add_argument("--waiting", type=int, default=64)
    said = parser.parse_args()
    # One question at a time: the model is what is slow, and there is room to refuse.
    options = ["--set", f"waiting={said.waiting}", "--set", "batch=1"]
    with workplace() as folder:
        run = fitted(folder, said.items, USERS)
        with serving(run, folder / "store.sqlite", *options) as server:
            finish(measured(server, said.seconds, said.times, max(64, 8 * said.waiting)))


def measured(server: Server, seconds: float, times: float, connections: int) -> dict[str, object]:
    """Figures of the three parts."""
    sent = bodies(USERS)
    ask(server, sent, connections=8, seconds=1.0)
    full = ask(server, sent, connections=16, seconds=max(2.0, seconds / 5))
    capacity = full.count(200) / max(2.0, seconds / 5)
    calm = ask(server, sent, connections=16, seconds=2.0, rate=capacity / 2)
    began = time.perf_counter()
    over = ask(server, sent, connections=connections, seconds=seconds, rate=times * capacity)
    offered = len(over.statuses) / (time.perf_counter() - began)
    back = _back(server, capacity / 2, 2 * calm.percentile(99) + 0.02)
    answered, refused = over.count(200), over.count(429, 503)
    return {
        "holds": bool(
            refused
            and answered + refused == len(over.statuses)
            and not over.without_retry
            and back <= BACK
        ),
        "capacity": round(capacity),
        "offered": round(offered / capacity, 2),  # times the capacity
        "answered": answered,
        "refused": refused,
        "other": len(over.statuses) - answered - refused,
        "without_retry_after": over.without_retry,
        "answered_rate": round(answered / seconds),
        "p99_calm_ms": round(1e3 * calm.percentile(99), 1),
        "p99_over_ms": round(1e3 * over.percentile(99), 1),
        "back_seconds": round(back, 2),
    }


def _back(server: Server, rate: float, normal: float) -> float:
    """Seconds until nothing is refused and times are what they were; infinite if not soon."""
    began = time.perf_counter()
    while (passed := time.perf_counter() - began) < 4 * BACK:
        now = ask(server, bodies(USERS), connections=16, seconds=0.5, rate=rate)
        if now.count(200) == len(now.statuses) and now.percentile(95) <= normal:
            return passed
    return float("inf")


if __name__ == "__main__":
    main()
