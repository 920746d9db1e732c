"""Tables that more than one command shows."""

from typing import TYPE_CHECKING

from tesserec.cli.console import Console

if TYPE_CHECKING:
    from tesserec.evaluation import Comparison

SHOWN = ("recall@10", "ndcg@10", "recall@20", "ndcg@20", "hit@10", "coverage@10")


def show_comparison(console: Console, found: "Comparison") -> None:
    """A row per run; * marks what cannot be told from the best."""
    metrics = [m for m in SHOWN if m in found.metrics] or list(found.metrics[:6])
    alike = {metric: found.ties_with_best(metric) for metric in metrics}
    tested = {pair.metric for pair in found.pairs}
    order = sorted(found.names, key=lambda name: -found.values[name][metrics[0]].value)

    def cell(name: str, metric: str) -> str:
        star = "*" if metric in tested and name in alike[metric] else " "
        return f"{found.values[name][metric]}{star}"

    rows = [[name, *(cell(name, metric) for metric in metrics)] for name in order]
    console.table(["", *metrics], rows)
    if tested and not console.as_json:
        print("  * not told from the best: paired t-test, Holm-corrected, 5 %")
