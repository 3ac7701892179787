"""SigNoz server, metrics without a store: shapes of lines, quantiles of buckets, filters, and which resource changed."""

from math import inf, isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_servers.common.envelope import ToolFailure
from mcp_servers.signoz.series import Line, increases, judge, line, noise, quantile, shape_of, split, thinned
from mcp_servers.signoz.series_filters import MOST, Condition, parameters, parse_filter
from mcp_servers.signoz.series_reads import MetricInfo, Resource, ways
from mcp_servers.signoz.series_resources import compare, kind_of, signals_of
from mcp_servers.signoz.tools_metrics import POINTS, step_for
from mcp_servers.signoz.windows import Windows

BOTH = Windows(0, 600, 600, 1200)
few = settings(max_examples=40, deadline=None)
values = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=40)


def points(*found: float, step: int = 60) -> tuple[tuple[int, float], ...]:
    return tuple((i * step, v) for i, v in enumerate(found))


class TestShapes:
    @pytest.mark.parametrize(
        ("found", "shape"),
        [
            ([5, 5.1, 4.9, 5, 5.1, 5, 4.9], "flat"),
            ([5, 5.1, 4.9, 5, 20, 20.3, 19.8], "step_up"),
            ([20, 20.3, 19.8, 20, 5, 5.1, 4.9], "step_down"),
            ([5, 5.1, 4.9, 40, 5, 5.1, 4.9, 5, 5], "spike"),
            ([50, 51, 49, 2, 50, 51, 49, 50, 50], "dip"),
            ([1, 2, 3, 4, 5, 6, 7, 8], "up"),
            ([8, 7, 6, 5, 4, 3, 2, 1], "down"),
            ([5, 5.1, 4.9, 5, 5.1, 4.9, 30], "step_up"),
            ([0, 0, 0, 0], "flat"),
            ([1, 9], "flat"),
        ],
    )
    def test_a_line_is_called_what_a_person_would_call_it(self, found: list[float], shape: str) -> None:
        assert shape_of(points(*found))[0] == shape

    def test_the_step_is_dated(self) -> None:
        assert shape_of(points(1, 1.1, 0.9, 1, 9, 9.1, 8.9)) == ("step_up", 240)

    @few
    @given(st.integers(2, 12), st.integers(2, 12), st.floats(1, 1e6), st.floats(1.5, 100))
    def test_a_clean_step_is_found_where_it_is(self, before: int, after: int, low: float, times: float) -> None:
        found = [low] * before + [low * times] * after
        assert split(found)[0] == before
        assert shape_of(points(*found)) == ("step_up", before * 60)

    @few
    @given(values)
    def test_a_mirrored_line_has_the_mirrored_shape(self, found: list[float]) -> None:
        mirror = {"up": "down", "step_up": "step_down", "spike": "dip"}
        mirror |= {v: k for k, v in mirror.items()}
        shape, at = shape_of(points(*found))
        assert shape_of(points(*(-v for v in found))) == (mirror.get(shape, shape), at)

    @few
    @given(values, st.integers(-3, 3))
    def test_the_unit_does_not_matter(self, found: list[float], power: int) -> None:
        assert shape_of(points(*(v * 2.0**power for v in found))) == shape_of(points(*found))

    @few
    @given(values)
    def test_a_split_never_leaves_more_than_there_was(self, found: list[float]) -> None:
        k, remains = split(found)
        assert 0 <= k < len(found)
        assert remains >= 0
        assert k == 0 or 2 <= k <= len(found) - 2
        assert noise(found) >= 0

    def test_what_began_and_what_ended_is_told(self) -> None:
        assert judge(line({}, [(700, 1), (760, 2)]), (0, 600), (600, 1200), True).shape == "new"
        gone = judge(line({}, [(0, 1), (60, 2)]), (0, 600), (600, 1200), True)
        assert (gone.shape, gone.baseline, gone.average, gone.changed_at) == ("gone", 1.5, None, 60)

    def test_what_is_no_number_is_left_out(self) -> None:
        assert line({}, [(60, inf), (0, 3.0), (120, float("nan"))]).points == ((0, 3.0),)

    @few
    @given(st.integers(60, 14 * 86_400))
    def test_no_window_gives_more_points_than_are_shown(self, seconds: int) -> None:
        assert seconds / step_for(seconds) <= POINTS - 1
        assert len(thinned([], 0, 60, POINTS)) == 0

    def test_values_keep_their_place(self) -> None:
        assert thinned(((60, 1.23456), (180, 2.0)), 0, 60, 30) == [None, 1.235, None, 2.0]


class TestCounters:
    def test_a_counter_that_begins_again_grew_by_what_it_shows(self) -> None:
        assert increases(points(10, 15, 3, 4)) == ((60, 5), (120, 3), (180, 1))

    @few
    @given(st.lists(st.floats(0, 1e12), max_size=40))
    def test_no_increase_is_negative(self, readings: list[float]) -> None:
        assert all(v >= 0 for _, v in increases(points(*readings)))


class TestQuantiles:
    BUCKETS = ((0.1, 50.0), (0.5, 90.0), (1.0, 100.0), (inf, 100.0))

    def test_it_is_linear_inside_a_bucket(self) -> None:
        assert isclose(quantile(self.BUCKETS, 0.5) or 0, 0.1)
        assert isclose(quantile(self.BUCKETS, 0.7) or 0, 0.3)

    def test_beyond_the_last_bound_that_bound_answers(self) -> None:
        assert quantile(((0.1, 1.0), (inf, 10.0)), 0.99) == 0.1

    def test_nothing_counted_is_no_number(self) -> None:
        assert quantile(((0.1, 0.0), (inf, 0.0)), 0.9) is None
        assert quantile((), 0.9) is None

    @few
    @given(
        st.lists(st.tuples(st.floats(0.001, 1e6), st.floats(0, 1e9)), min_size=1, max_size=15),
        st.floats(0.01, 0.99),
        st.floats(0.01, 0.99),
    )
    def test_a_higher_quantile_is_never_lower(self, buckets: list[tuple[float, float]], one: float, two: float) -> None:
        low, high = (quantile(buckets, q) for q in sorted((one, two)))
        assert (low is None) == (high is None)
        assert low is None or high is None or low <= high * (1 + 1e-9)


class TestWhatATypeCanGive:
    def info(self, kind: str) -> MetricInfo:
        return MetricInfo("m", "m", kind)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("kind", "way"),
        [
            ("gauge", ("avg", "avg", None)),
            ("counter", ("rate", "sum", None)),
            ("sum", ("avg", "sum", None)),
            ("histogram", ("increase", "sum", 0.99)),
        ],
    )
    def test_auto_follows_the_type(self, kind: str, way: tuple[str, str, float | None]) -> None:
        assert ways(self.info(kind), "auto") == way

    @pytest.mark.parametrize(
        ("kind", "aggregation", "code"),
        [
            ("gauge", "p99", "VALIDATION"),
            ("gauge", "rate", "VALIDATION"),
            ("histogram", "avg", "VALIDATION"),
            ("exponential_histogram", "auto", "UNSUPPORTED"),
        ],
    )
    def test_what_has_no_meaning_is_refused(self, kind: str, aggregation: str, code: str) -> None:
        with pytest.raises(ToolFailure) as refused:
            ways(self.info(kind), aggregation)
        assert refused.value.info.code == code
        assert refused.value.info.hint


class TestFilters:
    def test_both_ways_of_writing_say_the_same(self) -> None:
        wanted = (Condition("service.name", "=", ("orders",)), Condition("region", "!=", ("eu",)))
        assert parse_filter("service.name=orders,region!=eu") == wanted
        assert parse_filter("resource.service.name = 'orders' AND region <> \"eu\"") == wanted

    def test_lists_and_words(self) -> None:
        found = parse_filter("k IN ('a', 'it\\'s, b') AND l NOT IN (x) AND m CONTAINS 'y AND z'")
        assert [(c.operator, c.values) for c in found] == [
            ("in", ("a", "it's, b")),
            ("not in", ("x",)),
            ("contains", ("y AND z",)),
        ]

    @pytest.mark.parametrize(
        "text",
        [
            "k",
            "k > 3",
            "k = 'a",
            "k = a b",
            "k IN a",
            "k IN ()",
            "(a = 1",
            "a = 1 OR b = 2",
            "1=1; DROP",
            "a=1,b=2,c=3,d=4,e=5",
        ],
    )
    def test_what_is_not_understood_is_refused_and_never_dropped(self, text: str) -> None:
        with pytest.raises(ToolFailure, match="filter") as refused:
            parse_filter(text)
        assert refused.value.info.hint

    @few
    @given(st.text(max_size=60))
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        try:
            found = parse_filter(text)
        except ToolFailure as failure:
            assert failure.info.code == "VALIDATION"
        else:
            assert len(found) <= MOST
            assert set(parameters(found)) == {f"{p}{i}" for p in "kov" for i in range(MOST)}

    @few
    @given(st.text(st.characters(codec="utf-8", exclude_characters="\\'\x1f"), max_size=40))
    def test_a_quoted_value_comes_back_as_it_was(self, value: str) -> None:
        assert parse_filter(f"k = '{value}'") == (Condition("k", "=", (value,)),)


def resource(
    metric: str, before: list[float], now: list[float], unit: str = "{cpu}", peak: list[float] | None = None
) -> Resource:
    def at(values: list[float]) -> Line:
        return line({}, [(600 + (i - len(before)) * 60, v) for i, v in enumerate(values)])

    return Resource("orders", metric, unit, False, at(before + now), at(before + (peak or now)), "orders-1")


class TestResources:
    @pytest.mark.parametrize(
        ("metric", "kind"),
        [
            ("k8s.pod.cpu.usage", "cpu"),
            ("container_cpu_cfs_throttled_periods_total", "throttling"),
            ("k8s.container.restarts", "restarts"),
            ("container.memory.working_set", "memory"),
            ("k8s.pod.filesystem.usage", "disk"),
            ("k8s.pod.network.errors", "network_errors"),
            ("k8s.pod.network.io", "network"),
            ("jvm.gc.duration", "gc"),
            ("jvm.thread.count", "threads"),
            ("db.client.connection.count", "connections"),
            ("k8s.node.cpu.utilization", "other"),
            ("k8s.container.cpu_limit", "other"),
            ("http.server.request.duration", "other"),
        ],
    )
    def test_a_name_tells_the_kind_and_a_node_or_a_setting_is_none(self, metric: str, kind: str) -> None:
        assert kind_of(metric) == kind

    def test_cpu_that_rose_is_told_with_its_pod(self) -> None:
        (found,) = signals_of(compare(resource("k8s.pod.cpu.usage", [0.1] * 8, [0.1, 0.6, 0.7, 0.6]), BOTH), BOTH)
        assert (found.code, found.reason, found.subject) == ("res.changed", "cpu", "service/orders")
        assert "orders-1" in found.detail

    def test_an_idle_container_that_triples_is_no_news(self) -> None:
        change = compare(resource("k8s.pod.cpu.usage", [0.002] * 8, [0.006] * 4), BOTH)
        assert (change.changed, change.score, signals_of(change, BOTH)) == (False, 0, [])

    def test_one_value_alone_must_lie_far_out(self) -> None:
        some, far = (resource("k8s.pod.cpu.usage", [0.1] * 8, [0.1, 0.1, 0.1, v]) for v in (0.2, 0.9))
        assert (compare(some, BOTH).changed, compare(far, BOTH).changed) == (False, True)

    def test_what_the_baseline_showed_already_is_usual(self) -> None:
        assert not compare(resource("k8s.pod.cpu.usage", [0.1, 0.7] * 4, [0.7] * 4), BOTH).changed

    def test_the_tail_of_an_earlier_incident_does_not_hide_this_one(self) -> None:
        assert compare(resource("k8s.pod.cpu.usage", [0.9] + [0.1] * 9, [0.9] * 4), BOTH).changed

    def test_one_pod_of_many_is_seen(self) -> None:
        change = compare(resource("k8s.pod.cpu.usage", [0.1] * 8, [0.11] * 4, peak=[0.9] * 4), BOTH)
        assert change.changed

    def test_the_limit_is_told_before_the_change(self) -> None:
        found = resource("k8s.pod.memory_limit_utilization", [0.4] * 8, [0.95] * 4, "1")
        assert [s.code for s in signals_of(compare(found, BOTH), BOTH)] == ["res.mem_near_limit"]

    def test_a_disk_that_fills_is_told(self) -> None:
        found = resource("k8s.volume.utilization", [0.85] * 8, [0.93] * 4, "1")
        assert [s.code for s in signals_of(compare(found, BOTH), BOTH)] == ["res.disk_near_full"]

    def test_one_more_restart_is_told_and_a_little_more_memory(self) -> None:
        for metric, unit, before, now in (
            ("k8s.container.restarts", "{restart}", 7.0, 8.0),
            ("k8s.pod.memory.working_set", "By", 4e8, 5.2e8),
        ):
            change = compare(resource(metric, [before] * 8, [before, before, now, now], unit), BOTH)
            assert [s.code for s in signals_of(change, BOTH)] == ["res.changed"], metric
            assert not compare(resource(metric, [before] * 8, [before] * 4, unit), BOTH).changed

    def test_less_work_is_no_signal(self) -> None:
        change = compare(resource("k8s.pod.cpu.usage", [0.8] * 8, [0.1] * 4), BOTH)
        assert change.changed
        assert signals_of(change, BOTH) == []

    @few
    @given(st.lists(st.floats(0, 1e12), min_size=1, max_size=20), st.lists(st.floats(0, 1e12), max_size=20))
    def test_any_numbers_are_judged(self, before: list[float], now: list[float]) -> None:
        change = compare(resource("k8s.pod.memory.usage", before, now, "By"), BOTH)
        assert change.score >= 0
        assert change.changed or change.score == 0
        assert len(signals_of(change, BOTH)) <= 1
