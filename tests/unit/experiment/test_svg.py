"""Names beside plots have the room they need."""

import re

from tesserec.experiment import svg


def labels(plot: str) -> list[str]:
    return re.findall(r'class="label"[^>]*>([^<]*)<', plot)


def test_long_names_move_the_plot_and_very_long_ones_are_cut() -> None:
    short, long, endless = "ALS", "TIGER (ids.kind=RandomIds)", "x" * 90
    for plot in (
        svg.whiskers([(name, 0.2, 0.1, 0.3) for name in (short, long)], "ndcg@10", {}),
        svg.bars([(name, 0.2) for name in (short, long)], "coverage", {}),
    ):
        assert labels(plot) == [short, long]
        x = float(re.findall(r'class="label" x="([0-9.]+)"', plot)[0])
        assert x >= svg.LETTER * len(long)
    cut = labels(svg.whiskers([(endless, 0.2, 0.1, 0.3)], "ndcg@10", {}))[0]
    assert cut.endswith("…")
    assert svg.LETTER * len(cut) < svg.WIDTH / 2
