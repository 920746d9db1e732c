"""Honest numbers: metrics, intervals, paired tests, and what a reader must know to trust them."""

from tesserec.evaluation.compare import Comparison, compare, told_apart
from tesserec.evaluation.leaks import find_leaks, too_good
from tesserec.evaluation.report import METRICS, Report, Value, evaluate, load_report, with_facts
from tesserec.evaluation.settings import Setting, evaluate_settings, side_by_side
from tesserec.evaluation.tasks import Marks, mark

__all__ = [
    "METRICS",
    "Comparison",
    "Marks",
    "Report",
    "Setting",
    "Value",
    "compare",
    "evaluate",
    "evaluate_settings",
    "find_leaks",
    "load_report",
    "mark",
    "side_by_side",
    "told_apart",
    "too_good",
    "with_facts",
]
