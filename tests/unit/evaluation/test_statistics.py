import numpy as np
import pytest
from scipy import stats

from tesserec.evaluation import statistics
from tesserec.evaluation.statistics import (
    difference,
    holm,
    interval,
    intervals,
    over_seeds,
    paired_p,
    wilson,
)


def test_the_bootstrap_interval_covers_the_mean_about_95_times_in_100():
    draw = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        low, high = interval(draw.exponential(2.0, 60), seed)
        covered += low <= 2.0 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_a_large_sample_has_nearly_the_interval_of_resamples(monkeypatch):
    values = np.random.default_rng(1).exponential(1.0, 4000)
    resampled = interval(values)
    monkeypatch.setattr(statistics, "LARGE", 100)
    normal = interval(values)
    width = resampled[1] - resampled[0]
    assert normal == pytest.approx(resampled, abs=0.15 * width)
    assert normal == pytest.approx(
        stats.norm.interval(0.95, values.mean(), stats.sem(values)), 1e-4
    )


def test_the_interval_is_seeded_and_holds_the_mean():
    values = np.array([0.0, 0, 1, 1, 0, 1])
    assert interval(values, 3) == interval(values, 3)
    low, high = interval(values)
    assert 0 <= low < 0.5 < high <= 1


@pytest.mark.parametrize("large", [10, 10**6])
def test_intervals_of_many_metrics_are_those_of_each(monkeypatch, large):
    monkeypatch.setattr(statistics, "LARGE", large)
    draw = np.random.default_rng(2)
    table = {"a": draw.random(50), "b": draw.random(50)}
    for name, found in intervals(table, seed=4).items():
        assert found == pytest.approx(interval(table[name], seed=4))
    assert intervals({}) == {}


def test_one_value_has_no_interval():
    for low, high in (interval(np.array([1.0])), over_seeds(np.array([1.0]))):
        assert np.isnan(low)
        assert np.isnan(high)


def test_over_seeds_is_students_interval():
    values = np.array([0.30, 0.32, 0.31, 0.35])
    expected = stats.t.interval(0.95, 3, values.mean(), stats.sem(values))
    assert over_seeds(values) == pytest.approx(expected)


def test_holm_by_hand():
    # Sorted: .01 x 4, .02 x 3, .03 x 2, .04 x 1 = .04, .06, .06, .04; never below the one before.
    assert holm(np.array([0.04, 0.01, 0.03, 0.02])) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm(np.array([0.5, 0.9])).tolist() == [1.0, 1.0]
    assert holm(np.array([])).tolist() == []


def test_the_paired_test_sees_what_an_unpaired_one_would_not():
    draw = np.random.default_rng(5)
    easy_and_hard = draw.random(100)
    better = easy_and_hard + 0.02 + draw.normal(0, 0.02, 100)
    assert paired_p(better, easy_and_hard) < 1e-6
    assert stats.ttest_ind(better, easy_and_hard).pvalue > 0.1
    assert paired_p(better, easy_and_hard) == pytest.approx(
        stats.ttest_1samp(better - easy_and_hard, 0).pvalue
    )


def test_no_difference_is_no_evidence_and_the_same_difference_everywhere_is_certain():
    same = np.array([0.1, 0.2, 0.3])
    assert paired_p(same, same) == 1.0
    assert paired_p(np.array([1.0, 1, 1]), np.array([0.0, 0, 0])) == 0.0
    assert paired_p(np.array([0.3]), np.array([0.1])) == 1.0


def test_the_chance_of_a_false_alarm_is_what_it_says():
    draw = np.random.default_rng(6)
    alarms = [paired_p(draw.random(30), draw.random(30)) < 0.05 for _ in range(400)]
    assert 0.02 <= np.mean(alarms) <= 0.09


def test_the_interval_of_a_share_ends_where_the_score_test_would_refuse_it() -> None:
    for hits, tries in ((0, 1), (1, 1), (0, 50), (3, 17), (500, 1000), (17, 17)):
        low, high = wilson(hits, tries)
        theirs = stats.binomtest(hits, tries).proportion_ci(method="wilson")
        assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
        for end in (low, high):
            away = abs(hits / tries - end) / np.sqrt(max(end * (1 - end), 1e-300) / tries)
            assert away == pytest.approx(1.959964, abs=1e-5) or end in (0.0, 1.0)
    assert np.isnan(wilson(0, 0)).all()


def test_the_interval_of_a_difference_covers_it_about_95_times_in_100():
    draw = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        low, high = difference(draw.binomial(150, 0.3), 150, draw.binomial(80, 0.1), 80)
        covered += low <= 0.2 <= high
    assert 0.92 <= covered / 400 <= 0.98
    # 56 of 70 less 48 of 80: the first example of Newcombe's table of method 10.
    assert difference(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert np.isnan(difference(1, 2, 0, 0)).all()
