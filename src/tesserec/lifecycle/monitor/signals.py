"""Signals: one figure each, what it means in plain English, and what to do about it."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from tesserec.evaluation.statistics import difference, wilson

Verdict = Literal["fine", "watch", "act", "too few", "unknown"]
Unit = Literal["days", "share", "index", "distance", "times"]

FEW = 100  # tries, below which a share says nothing
HALF = 200  # tries in each half of the time, below which no fall can be seen
ORDER: tuple[Verdict, ...] = ("unknown", "too few", "fine", "watch", "act")  # the worst last

UPDATE = "Let it learn from what happened since: tesserec update RUN --events FILE."
REFIT = "Fit it again on all that there is: tesserec fit DATA METHOD --out RUN."


@dataclass(frozen=True)
class Signal:
    """What is watched, and how it is."""

    name: str
    title: str
    unit: Unit
    value: float | None
    verdict: Verdict
    says: str
    do: str = ""  # where there is something to do
    low: float | None = None  # 95 % interval
    high: float | None = None
    training: float | None = None  # the same of the training data
    counted: int | None = None  # what it rests on

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @property
    def shown(self) -> str:
        """The figure as people read it, with its interval."""
        if self.value is None:
            return "–"
        figure = shown(self.value, self.unit)
        if self.low is None or self.high is None:
            return figure
        return f"{figure} ({shown(self.low, self.unit)} to {shown(self.high, self.unit)})"


@dataclass(frozen=True)
class Limit:
    """From where on one looks, and from where on one acts."""

    watch: float
    act: float

    def verdict(self, value: float) -> Verdict:
        """How a figure is of which more is worse."""
        if value >= self.act:
            return "act"
        return "watch" if value >= self.watch else "fine"


def shown(value: float, unit: Unit) -> str:
    """A figure with its unit, in few characters."""
    match unit:
        case "share":
            return f"{100 * value:.1f} %"
        case "days":
            return f"{value:.1f} days" if value < 10 else f"{value:,.0f} days"
        case "times":
            return f"{value:.2g} times" if value < 10 else f"{value:,.0f} times"
        case _:
            return f"{value:.3f}"


def if_needed(verdict: Verdict, do: str) -> str:
    """What to do, where the verdict asks for it."""
    return do if verdict in ("watch", "act") else ""


def worst(verdicts: list[Verdict]) -> Verdict:
    """The one that asks for most; "unknown" where there is none."""
    return max(verdicts, key=ORDER.index, default="unknown")


def share(
    name: str, title: str, hits: int, tries: int, limit: Limit | None, says: str, do: str
) -> Signal:
    """A share, judged by the near end of its interval; a limit of None judges nothing.

    `says` may name {share}, {hits} and {tries}.
    """
    if not tries:
        return Signal(name, title, "share", None, "too few", "Nothing to count yet.", counted=0)
    value, (low, high) = hits / tries, wilson(hits, tries)
    told = says.format(share=shown(value, "share"), hits=f"{hits:,}", tries=f"{tries:,}")
    if tries < FEW:
        verdict: Verdict = "too few"
        told += f" That is too few to judge: at least {FEW} are needed."
    else:
        verdict = "fine" if limit is None else limit.verdict(low)
    advice = if_needed(verdict, do)
    return Signal(name, title, "share", value, verdict, told, advice, low, high, counted=tries)


def fallen(
    name: str, title: str, older: tuple[int, int], newer: tuple[int, int], what: str, do: str
) -> Signal:
    """A share over two halves of the time: has it fallen? Each half is hits and tries."""
    hits, tries = older[0] + newer[0], older[1] + newer[1]
    whole = share(name, title, hits, tries, None, what, do)
    if min(older[1], newer[1]) < HALF:
        told = f" Whether it falls cannot be said with fewer than {HALF} in each half of the time."
        says = whole.says if whole.verdict == "too few" else whole.says + told
        return Signal(**{**asdict(whole), "verdict": "too few", "says": says})
    (a, m), (b, n) = older, newer
    low, high = difference(b, n, a, m)
    verdict: Verdict = "fine"
    if high < 0:
        verdict = "act" if b / n < a / m / 2 else "watch"
    change = f" It was {shown(a / m, 'share')} in the first half of the time, and is "
    change += f"{shown(b / n, 'share')} in the second: "
    change += f"a change of {100 * low:+.1f} to {100 * high:+.1f} points."
    return Signal(
        **{
            **asdict(whole),
            "verdict": verdict,
            "says": whole.says + change,
            "do": do if verdict != "fine" else "",
        }
    )


def age(name: str, title: str, seconds: float | None, limit: Limit, says: str, do: str) -> Signal:
    """Days since something, which `says` may name as {days}."""
    if seconds is None:
        return Signal(name, title, "days", None, "unknown", NOT_NOTED)
    days = max(0.0, seconds) / 86_400
    verdict = limit.verdict(days)
    told = says.format(days=shown(days, "days"))
    return Signal(name, title, "days", days, verdict, told, do if verdict != "fine" else "")


def ratio(
    name: str, title: str, counted: int, days: float, before: float | None, says: str, do: str
) -> Signal:
    """Events a day beside those of before; twice or half is worth a look, below a tenth one acts.

    `says` may name {now} and {before}.
    """
    if not before:
        return Signal(name, title, "times", None, "unknown", NOT_NOTED, counted=counted)
    expected = before * days
    value = counted / expected if expected else None
    now = f"{counted / days:,.3g}" if days else "no"
    told = says.format(now=now, before=f"{before:,.3g}")
    if value is None or expected < FEW:
        told += f" So little time has passed that fewer than {FEW} were to be expected."
        return Signal(name, title, "times", value, "too few", told, counted=counted)
    verdict: Verdict = "fine" if 0.5 <= value <= 2 else "watch"
    verdict = "act" if value < 0.1 else verdict
    advice = do if verdict != "fine" else ""
    return Signal(name, title, "times", value, verdict, told, advice, counted=counted)


NOT_NOTED = (
    "The run does not say what it learned from, or its data have no times. "
    "Runs fitted from now on note it."
)
