import itertools
from datetime import UTC, datetime, timedelta

import pytest

from dashboard.scale import FOLD_WIDTH, Scale

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds):
    return START + timedelta(seconds=seconds)


def test_without_long_gaps_the_axis_is_even():
    scale = Scale(START, at(100), [(at(0), at(60))])

    assert [round(scale(at(seconds))) for seconds in (0, 25, 100)] == [0, 25, 100]
    assert scale.folds == []


def test_days_of_waiting_do_not_hide_seconds_of_work():
    day = 86400
    scale = Scale(START, at(day + 20), [(at(0), at(10)), (at(day + 10), at(day + 20))])

    assert scale.folds == [(at(10), at(day + 10))]
    assert scale(at(10)) == pytest.approx((100 - FOLD_WIDTH) / 2)
    assert scale(at(day + 10)) - scale(at(10)) == pytest.approx(FOLD_WIDTH)
    assert scale(at(day + 20)) == pytest.approx(100)


def test_ticks_are_round_and_do_not_crowd():
    ticks = Scale(START, at(100), []).ticks()

    assert [tick.label for tick in ticks][:3] == ["+0 s", "+15 s", "+30 s"]
    assert all(later.left - earlier.left >= 9 for earlier, later in itertools.pairwise(ticks))


def test_a_run_that_took_no_time_at_all_has_an_axis():
    scale = Scale(START, START, [])

    assert scale(START) == 0
    assert scale.bar(START, START, "x", "x").w == "0.500%"
