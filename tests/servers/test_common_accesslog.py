"""Access logs: which route always fails while others do well, in every usual shape; and nothing said about anything less."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_servers.common.accesslog import Route, failing_routes, request

NGINX = '10.0.0.9 - - [22/Nov/2026:07:00:00 +0000] "POST /api/v1/{word}/items?id=7 HTTP/1.1" {status} 133 "-" "curl/8"'


def log(**routes: list[int]) -> list[str]:
    return [NGINX.format(word=word, status=status) for word, answers in routes.items() for status in answers]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (NGINX.format(word="orders", status=404), ("/api/v1/orders/items", 404)),
        ('[2026-11-22T07:00:00.000Z] "GET /cart HTTP/2" 503 UF upstream_reset', ("/cart", 503)),
        ('[GIN] 2026/11/22 - 07:00:00 | 404 |  1.2ms | 10.0.0.9 | GET      "/pay/7"', ("/pay/7", 404)),
        ('{"method":"GET","path":"/pay/7?x=1","status":500}', ("/pay/7", 500)),
        ('{"http.target":"/pay","http.status_code":"204"}', ("/pay", 204)),
        ("level=info method=GET path=/pay/7 duration=3ms status=502", ("/pay/7", 502)),
        ("level=info status=502 bytes=3 uri=/pay", ("/pay", 502)),
        ("ERROR 500 things went wrong in /var/log", None),
        ('{"status": 404}', None),
        ("{", None),
    ],
)
def test_the_usual_shapes(line: str, expected: tuple[str, int] | None) -> None:
    assert request(line) == expected


def test_the_route_that_always_fails_is_named_by_its_first_own_word() -> None:
    found = failing_routes(log(orders=[404] * 20, carts=[200] * 20 + [500]))
    assert found == [Route("/api/v1/orders", "orders", 20, 404, "not_found")]


@pytest.mark.parametrize(
    "lines",
    [
        log(orders=[404] * 4, carts=[200] * 20),  # too few
        log(orders=[404] * 20),  # nothing to compare with
        log(orders=[404] * 20, carts=[502] * 20),  # everything fails: no matter of one route
        log(orders=[404, 200] * 10, carts=[200] * 20),  # sometimes
        log(orders=[401] * 20, carts=[200] * 20),  # the client's own fault
        ["a plain line"] * 40,
    ],
)
def test_nothing_less_is_told(lines: list[str]) -> None:
    assert failing_routes(lines) == []


@given(st.lists(st.text(max_size=300), max_size=30))
def test_any_lines_are_survived(lines: list[str]) -> None:
    failing_routes(lines)


def test_hostile_lines_take_no_time_and_no_memory() -> None:
    began = time.perf_counter()
    seeds = ["GET /" + "a/" * 5_000, "| 404 " * 2_000, "path=/" * 2_000, '{"path":' * 5_000, "status=404 " * 2_000]
    assert failing_routes([seed for seed in seeds for _ in range(20)]) == []
    assert len(failing_routes(log(**{f"r{n}": [404] * 6 for n in range(2_000)}, fine=[200] * 9))) <= 500
    assert time.perf_counter() - began < 3
