"""One writer a card: the latest state wins, edits keep their distance, the final state always goes out, in the right order."""

import asyncio

import pytest
from slack_sdk.errors import SlackApiError

from bot.slack.message import Message
from bot.slack.pace import BURST, Pace
from bot.slack.writer import CardWriter


class Time:
    """A clock that only moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


class Limited(dict):
    status_code = 429

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "7"}


class Slack:
    """Writes down each edit with its time; answers with ``errors`` first. ``gate`` holds an edit in flight."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.edits: list[tuple[float, str, bool]] = []
        self.errors: list[Exception] = []
        self.gate: asyncio.Event | None = None

    async def __call__(self, message: Message, *, final: bool) -> None:
        if self.gate is not None and not final:
            await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.edits.append((self.time.now, message.text, final))


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def slack(time) -> Slack:
    return Slack(time)


def writer(slack, time, *, per_minute=6000.0, pace=None) -> CardWriter:
    pace = pace or Pace(per_minute, clock=time, sleep=time.sleep)
    return CardWriter(slack, pace, interval_s=3.0, clock=time, sleep=time.sleep)


async def rest() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_states_that_come_fast_are_one_edit_with_the_latest(slack, time):
    card = writer(slack, time)
    for number in range(10):
        card.show(Message(f"state {number}"))
    await rest()
    assert [text for _, text, _ in slack.edits] == ["state 9"]


async def test_two_edits_are_three_seconds_apart(slack, time):
    card = writer(slack, time)
    for number in range(3):
        card.show(Message(f"state {number}"))
        await rest()
    assert [(at, text) for at, text, _ in slack.edits] == [(0.0, "state 0"), (3.0, "state 1"), (6.0, "state 2")]


async def test_an_equal_state_is_not_sent_again(slack, time):
    card = writer(slack, time)
    for _ in range(3):
        card.show(Message("same", [{"type": "divider"}]))
        await rest()
    await card.conclude(Message("same", [{"type": "divider"}]))
    assert len(slack.edits) == 1


async def test_the_final_state_goes_out_at_once_and_nothing_comes_after_it(slack, time):
    card = writer(slack, time)
    card.show(Message("first"))
    await rest()
    card.show(Message("waiting for its time"))
    await card.conclude(Message("verdict"))
    card.show(Message("late"))
    await rest()
    assert [(text, final) for _, text, final in slack.edits] == [("first", False), ("verdict", True)]
    assert time.now < 6


async def test_the_final_state_waits_for_an_edit_in_flight(slack, time):
    slack.gate = asyncio.Event()
    card = writer(slack, time)
    card.show(Message("slow"))
    await rest()
    concluding = asyncio.create_task(card.conclude(Message("verdict")))
    await rest()
    assert slack.edits == []
    slack.gate.set()
    await concluding
    assert [text for _, text, _ in slack.edits] == ["slow", "verdict"]


async def test_a_limited_edit_waits_and_then_shows_the_latest(slack, time):
    slack.errors = [SlackApiError("limited", Limited(error="ratelimited"))]
    card = writer(slack, time)
    card.show(Message("old"))
    await asyncio.sleep(0)
    card.show(Message("new"))
    await rest()
    assert [text for _, text, _ in slack.edits] == ["new"]
    assert slack.edits[0][0] >= 7.0


async def test_one_limited_card_holds_the_cosmetic_edits_of_all(slack, time):
    pace = Pace(6000, clock=time, sleep=time.sleep)
    pace.hold(20)
    card = writer(slack, time, pace=pace)
    card.show(Message("cosmetic"))
    await card.conclude(Message("verdict"))
    assert slack.edits == [(0.0, "verdict", True)]


@pytest.mark.parametrize("error", [SlackApiError("x", {"error": "invalid_blocks"}), TimeoutError(), OSError("gone")])
async def test_a_cosmetic_edit_that_fails_is_dropped(slack, time, error):
    slack.errors = [error]
    card = writer(slack, time)
    card.show(Message("first"))
    await rest()
    card.show(Message("second"))
    await rest()
    assert [text for _, text, _ in slack.edits] == ["second"]


async def test_a_final_state_that_fails_is_raised_and_may_be_tried_again(slack, time):
    slack.errors = [OSError("away")]
    card = writer(slack, time)
    with pytest.raises(OSError, match="away"):
        await card.conclude(Message("verdict"))
    await card.conclude(Message("verdict"))
    assert [text for _, text, _ in slack.edits] == ["verdict"]


async def test_the_more_cards_the_less_often_each(slack, time):
    pace = Pace(60, clock=time, sleep=time.sleep)
    for _ in range(int(BURST) + 10):
        await pace.take()
    assert time.now == pytest.approx(10.0, abs=0.2)


async def test_final_states_are_paid_for_by_cosmetic_ones(slack, time):
    pace = Pace(60, clock=time, sleep=time.sleep)
    for _ in range(int(BURST) + 3):
        pace.force()
    assert time.now == 0.0
    await pace.take()
    assert time.now == pytest.approx(4.0, abs=0.2)
