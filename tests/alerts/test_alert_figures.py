"""Figures in alert texts: the shapes that monitoring systems write, in one unit, and nothing made up."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.alerts.figures import MAX_FIGURES, Figure, figures


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p90 latency: Normal=9.6ms -> Current=21s (+218650%)", Figure("latency", 9.6, 21_000, "ms")),
        ("p99 latency currently 3.2s (normal 120 ms)", Figure("latency", 120, 3_200, "ms")),
        ("Response time was 80ms, now 2s", Figure("latency", 80, 2_000, "ms")),
        ("latency 120ms → 3s", Figure("latency", 120, 3_000, "ms")),
        ("error rate went from 0.1 % to 12 %", Figure("errors", 0.1, 12, "%")),
        ("Success rate: baseline 99.9% vs current 37.5%", Figure("success", 99.9, 37.5, "%")),
        ("CPU usage: avg 0,5 cores, current 1,8 cores", Figure("cpu", 0.5, 1.8, "cores")),
        ("Throughput: Normal=1.44req/s -> Current=0.73req/s", Figure("traffic", 1.44, 0.73, "req/s")),
        ("TCP retransmissions Normal=0.00 -> Current=6.67", Figure("network", 0, 6.67, "")),
        ("memory: expected 512MiB, actual 1GiB", Figure("memory", 512 * 1024**2, 1024**3, "B")),
    ],
)
def test_the_general_shapes(text: str, expected: Figure) -> None:
    assert figures(text) == (expected,)


def test_the_words_of_a_segment_win_over_those_of_its_line() -> None:
    found = figures("SLOW [Response] | cpu: Normal=1 -> Current=2 | a: Normal=3ms -> Current=4ms")
    assert [f.kind for f in found] == ["cpu", "latency"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Deployment has not matched the expected number of replicas",
        "latency: normal 20 ms, current 3 pods",
        "rolled from node-3 to node-4",
        "disk is 93 % full",
    ],
)
def test_what_is_no_change_of_a_figure_gives_none(text: str) -> None:
    assert figures(text) == ()


@given(st.text(max_size=3_000))
def test_any_text_is_survived_and_bounded(text: str) -> None:
    assert len(figures(text)) <= MAX_FIGURES


def test_hostile_text_takes_no_time() -> None:
    began = time.perf_counter()
    for seed in ("1" * 60, "normal=", "0.0 -> ", "was 1ms now ", "-> 1 " * 3):
        figures(seed * 40_000)
    assert time.perf_counter() - began < 2
