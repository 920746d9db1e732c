"""Small plots as inline SVG: no scripts, no fonts, colours from the page's own variables."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 460, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 14, 40
COLOURS = 8  # --c0 ... --c7 in the page
LETTER = 6.8  # the width of one, on average


@dataclass(frozen=True)
class Series:
    """A named line or cloud of points."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: int = 0


@dataclass(frozen=True)
class Axes:
    """What the axes say, and where they are logarithmic."""

    x: str
    y: str
    log_x: bool = False
    from_zero: bool = False


def lines(series: Sequence[Series], axes: Axes) -> str:
    """A line for each series; a lone point is a dot."""
    frame = _Frame.around(series, axes)
    parts = []
    for one in series:
        places = [frame.place(*point) for point in one.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline class="line s{one.colour % COLOURS}" points="{path}"/>')
        if len(places) == 1:
            parts.append(_dot(*places[0], one.colour))
    return frame.drawn(parts, series)


def area(series: Series, axes: Axes) -> str:
    """One series over a filled ground."""
    frame = _Frame.around([series], axes)
    places = [frame.place(*point) for point in series.points]
    ground = HEIGHT - BOTTOM
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    closed = f"{places[0][0]:.1f},{ground} {path} {places[-1][0]:.1f},{ground}"
    parts = [
        f'<polygon class="area" points="{closed}"/>',
        f'<polyline class="line s0" points="{path}"/>',
    ]
    return frame.drawn(parts, [])


def band(rows: Sequence[tuple[float, float, float, float]], axes: Axes) -> str:
    """A line over the ground between its bounds; rows are x, value, low and high."""
    values = Series("value", [(x, value) for x, value, _, _ in rows])
    bounds = [Series("low", [(x, low) for x, _, low, _ in rows])]
    bounds.append(Series("high", [(x, high) for x, _, _, high in rows]))
    frame = _Frame.around([values, *bounds], axes)
    low, high = ([frame.place(*point) for point in one.points] for one in bounds)
    ground = " ".join(f"{x:.1f},{y:.1f}" for x, y in [*low, *reversed(high)])
    line = " ".join(
        f"{x:.1f},{y:.1f}" for x, y in map(frame.place, *zip(*values.points, strict=True))
    )
    parts = [f'<polygon class="area" points="{ground}"/>']
    parts.append(f'<polyline class="line s0" points="{line}"/>')
    if len(rows) == 1:
        (x, bottom), (_, top) = low[0], high[0]
        parts += [_line("whisker s0", x, bottom, x, top), _dot(*frame.place(*values.points[0]), 0)]
    return frame.drawn(parts, [])


def scatter(series: Sequence[Series], axes: Axes) -> str:
    """A labelled dot per series."""
    frame = _Frame.around(series, axes)
    parts = []
    taken: list[tuple[float, float]] = []
    for one in series:
        x, y = frame.place(*one.points[0])
        above = y - 9
        name = _fitted(one.name, WIDTH / 2)
        wide = LETTER * len(name)
        while any(abs(above - b) < 13 and abs(x - a) < max(90, wide) for a, b in taken):
            above -= 13
        taken.append((x, above))
        parts.append(_dot(x, y, one.colour))
        anchor = "end" if x > WIDTH * 0.7 or x + wide > WIDTH else "start"
        parts.append(_text("label", x, above, anchor, name))
    return frame.drawn(parts, [])


def whiskers(
    rows: Sequence[tuple[str, float, float, float]], title: str, colours: Mapping[str, int]
) -> str:
    """A row per name: value, and the interval around it; NaN bounds draw none."""
    height = 30 * len(rows) + TOP + BOTTOM
    ends = [v for _, *values in rows for v in values if not math.isnan(v)]
    low, high = min([0.0, *ends]), max(ends, default=1.0) or 1.0
    ticks = nice_ticks(low, high)
    left = _room([name for name, *_ in rows], 100)
    scale = _scale(ticks[0], max(high, ticks[-1]), left, WIDTH - RIGHT)
    ground = height - BOTTOM
    parts = []
    for tick in ticks:
        parts.append(_line("grid", scale(tick), TOP, scale(tick), ground))
        parts.append(_text("tick", scale(tick), ground + 16, "middle", short(tick)))
    for place, (name, value, below, above) in enumerate(rows):
        y, number = TOP + 30 * place + 15, colours.get(name, place)
        parts.append(_text("label", left - 10, y + 4, "end", _fitted(name, left)))
        if not (math.isnan(below) or math.isnan(above)):
            parts.append(_line(f"whisker s{number % COLOURS}", scale(below), y, scale(above), y))
        parts.append(_dot(scale(value), y, number))
    parts.append(_text("axis", (left + WIDTH) / 2, height - 6, "middle", title))
    return _svg(height, parts, title)


def bars(rows: Sequence[tuple[str, float]], title: str, colours: Mapping[str, int]) -> str:
    """A horizontal bar per name, the share it stands for beside it."""
    height = 30 * len(rows) + TOP + 26
    left = _room([name for name, _ in rows], 120)
    most = max((value for _, value in rows), default=1.0) or 1.0
    scale = _scale(0, most, left, WIDTH - 70)
    parts = []
    for place, (name, value) in enumerate(rows):
        y, number = TOP + 30 * place, colours.get(name, place)
        shown = f"{100 * value:.1f} %"
        parts.append(_text("label", left - 10, y + 19, "end", _fitted(name, left)))
        width = max(scale(value) - left, 1)
        size = f'x="{left}" y="{y + 5}" width="{width:.1f}" height="20" rx="3"'
        parts.append(f'<rect class="bar s{number % COLOURS}" {size}/>')
        parts.append(_text("tick", scale(value) + 7, y + 19, "start", shown))
    parts.append(_text("axis", (left + WIDTH) / 2, height - 6, "middle", title))
    return _svg(height, parts, title)


def _room(names: Sequence[str], least: int) -> int:
    """How wide names beside a plot may be: as wide as the longest, or half of all there is."""
    longest = max((len(name) for name in names), default=0)
    return min(max(least, math.ceil(LETTER * longest) + 10), WIDTH // 2)


def _fitted(name: str, room: float) -> str:
    """The name, or as much of it as there is room for."""
    letters = int((room - 10) / LETTER)
    return name if len(name) <= letters else f"{name[: letters - 1]}…"


@dataclass(frozen=True)
class Part:
    """A stretch of a row, between 0 and 1, and what it says when pointed at."""

    start: float
    width: float
    colour: int | None  # None: the colour of rules
    title: str


def icicle(rows: Sequence[Sequence[Part]], title: str) -> str:
    """Rows below one another; a part lies below that which it belongs to."""
    tall, gap = 46, 2
    parts = []
    for level, row in enumerate(rows):
        y = level * (tall + gap)
        for one in row:
            # The gap between neighbours shrinks with them, so that narrow ones stay to be seen.
            width = one.width * WIDTH - min(0.7, one.width * WIDTH / 8)
            size = f'x="{one.start * WIDTH:.2f}" y="{y}" width="{width:.2f}" height="{tall}"'
            fade = f'opacity="{1 - 0.22 * level:.2f}"'
            shown = f"<title>{escape(one.title)}</title>"
            kind = "rest" if one.colour is None else f"bar s{one.colour % COLOURS}"
            parts.append(f'<rect class="{kind}" {size} {fade}>{shown}</rect>')
    return _svg(len(rows) * (tall + gap), parts, title)


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers that cover a range."""
    if not high > low:
        high = low + (abs(low) or 1.0)
    step = 10 ** math.floor(math.log10((high - low) / count))
    step *= min((m for m in (1, 2, 5, 10) if m * step * count >= high - low), default=10)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]


def short(value: float) -> str:
    """A number in few characters."""
    if value == 0:
        return "0"
    if abs(value) >= 1e6:
        return f"{value / 1e6:.3g}M"
    if abs(value) >= 1e4:
        return f"{value / 1e3:.3g}k"
    return f"{value:.4g}"


@dataclass(frozen=True)
class _Frame:
    """A plotting area and where values fall in it."""

    axes: Axes
    x_ticks: list[float]
    y_ticks: list[float]
    x: Callable[[float], float]
    y: Callable[[float], float]

    @classmethod
    def around(cls, series: Sequence[Series], axes: Axes) -> "_Frame":
        points = [p for one in series for p in one.points if all(map(math.isfinite, p))]
        xs = [x for x, _ in points] or [0.0, 1.0]
        ys = [y for _, y in points] or [0.0, 1.0]
        if axes.log_x:
            xs = [math.log10(max(x, 1e-12)) for x in xs]
            x_ticks = [float(p) for p in range(math.floor(min(xs)), math.ceil(max(xs)) + 1)]
        else:
            x_ticks = nice_ticks(min(xs), max(xs))
        low = 0.0 if axes.from_zero else min(ys)
        y_ticks = nice_ticks(low, max(ys))
        if axes.log_x and len(x_ticks) == 1:
            x_ticks.append(x_ticks[0] + 1)
        x = _scale(x_ticks[0], x_ticks[-1], LEFT, WIDTH - RIGHT)
        y = _scale(y_ticks[0], y_ticks[-1], HEIGHT - BOTTOM, TOP)
        return cls(axes, x_ticks, y_ticks, x, y)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a point is drawn."""
        return self.x(math.log10(max(x, 1e-12)) if self.axes.log_x else x), self.y(y)

    def drawn(self, parts: Sequence[str], named: Sequence[Series]) -> str:
        """The grid, the parts, and the names of the series."""
        grid = []
        for tick in self.y_ticks:
            y = self.y(tick)
            grid.append(_line("grid", LEFT, y, WIDTH - RIGHT, y))
            grid.append(_text("tick", LEFT - 8, y + 4, "end", short(tick)))
        for tick in self.x_ticks:
            shown = short(10**tick if self.axes.log_x else tick)
            grid.append(_text("tick", self.x(tick), HEIGHT - BOTTOM + 16, "middle", shown))
        grid.append(_text("axis", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, "middle", self.axes.x))
        turn = f'transform="translate(14 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)"'
        name = escape(self.axes.y)
        grid.append(f'<text class="axis" {turn} text-anchor="middle">{name}</text>')
        return _svg(HEIGHT, [*grid, *parts], self.axes.y) + _legend(named)


def _legend(named: Sequence[Series]) -> str:
    if len(named) < 2:
        return ""
    inner = "".join(
        f'<span><i class="swatch b{one.colour % COLOURS}"></i>{escape(one.name)}</span>'
        for one in named
    )
    return f'<div class="legend">{inner}</div>'


def _scale(low: float, high: float, start: float, stop: float) -> Callable[[float], float]:
    width = (high - low) or 1.0
    return lambda value: start + (value - low) / width * (stop - start)


def _text(kind: str, x: float, y: float, anchor: str, text: str) -> str:
    """A piece of text; `kind` is a class of the page's style."""
    where = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {where}>{escape(text)}</text>'


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line class="{kind}" {ends}/>'


def _dot(x: float, y: float, number: int) -> str:
    return f'<circle class="dot b{number % COLOURS}" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'


def _svg(height: float, parts: Sequence[str], title: str) -> str:
    view = f'viewBox="0 0 {WIDTH} {height:.0f}"'
    label = f'role="img" aria-label="{escape(title, quote=True)}"'
    return f"<svg {view} {label}>{''.join(parts)}</svg>"
