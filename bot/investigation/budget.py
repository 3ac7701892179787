"""Hard limits of one analysis: model calls, tool calls, tokens, seconds, dollars. Spent as it goes, asked before each call."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from bot.investigation.model import Cost
from bot.playbooks import model as playbook
from bot.settings import ModelSettings

BYTES_PER_TOKEN: Final = 3.5
"""A cautious guess for JSON, used before a provider has counted; no tokeniser is shipped."""


class BudgetSpent(Exception):
    """A limit is reached; the message names it."""


def price_usd(model: str, provider: str, input_tokens: int, output_tokens: int) -> float | None:
    """What the tokens cost in dollars; ``None`` when no price is known (own deployments often have names of their own)."""
    from genai_prices import Usage, calc_price

    if not model or not (input_tokens or output_tokens):
        return None
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    try:
        return float(calc_price(usage, model, provider_id=provider).total_price)
    except LookupError:
        return None


@dataclass
class Budget:
    """Limits and what was spent of them. ``usd`` is enforced only while a price is known; the other limits always."""

    model_calls: int
    tool_calls: int
    tokens: int
    seconds: float
    usd: float
    clock: Callable[[], float] = time.monotonic
    spent_model_calls: int = 0
    spent_tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    spent_usd: float | None = None
    unpriced: bool = False
    models: list[str] = field(default_factory=list)
    _began: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()

    @classmethod
    def of(cls, settings: ModelSettings, block: "playbook.Budget | None" = None) -> "Budget":
        """The stricter of the installation's and the playbook's limits."""
        own = block or playbook.Budget(
            tokens=settings.max_tokens,
            tool_calls=settings.max_calls,
            seconds=settings.max_seconds,
            usd=settings.max_usd,
        )
        return cls(
            model_calls=settings.max_calls,
            tool_calls=own.tool_calls,
            tokens=min(settings.max_tokens, own.tokens),
            seconds=min(settings.max_seconds, own.seconds),
            usd=min(settings.max_usd, own.usd),
        )

    @property
    def left_s(self) -> float:
        return max(0.0, self.seconds - (self.clock() - self._began))

    @property
    def left_tokens(self) -> int:
        return max(0, self.tokens - self.input_tokens - self.output_tokens)

    @property
    def last_call(self) -> bool:
        """Whether the next model call is the last one that fits: it must answer, not ask for more tools."""
        return self.model_calls - self.spent_model_calls <= 1 or self.spent_tool_calls >= self.tool_calls

    def take_model_call(self, prompt_bytes: int) -> None:
        """Account for a model call that is about to be made. Raises `BudgetSpent`."""
        expected = int(prompt_bytes / BYTES_PER_TOKEN)
        if self.spent_model_calls >= self.model_calls:
            raise BudgetSpent(f"{self.model_calls} model calls")
        if self.left_s <= 0:
            raise BudgetSpent(f"{self.seconds:g} s")
        if expected >= self.left_tokens:
            raise BudgetSpent(f"{self.tokens} tokens")
        if self.spent_usd is not None and self.spent_usd >= self.usd:
            raise BudgetSpent(f"{self.usd:.2f} USD")
        self.spent_model_calls += 1

    def used(self, model: str, provider: str, input_tokens: int, output_tokens: int) -> None:
        """What a model call really took."""
        self.input_tokens += max(0, input_tokens)
        self.output_tokens += max(0, output_tokens)
        if model and model not in self.models:
            self.models.append(model)
        price = price_usd(model, provider, input_tokens, output_tokens)
        if price is None:
            self.unpriced = self.unpriced or bool(input_tokens or output_tokens)
        else:
            self.spent_usd = (self.spent_usd or 0.0) + price

    def take_tool_call(self) -> str:
        """Account for a tool call; "" when it may go ahead, else why not, for the model to read."""
        if self.spent_tool_calls >= self.tool_calls:
            return f"the budget of {self.tool_calls} tool calls is spent; answer from what is known"
        if self.left_s <= 0:
            return "the time budget is spent; answer from what is known"
        self.spent_tool_calls += 1
        return ""

    def cost(self) -> Cost:
        """For the report. ``usd`` is ``None`` when any call's price is not known: half a sum would be a wrong one."""
        return Cost(
            model=", ".join(self.models),
            calls=self.spent_model_calls,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            usd=None if self.unpriced else self.spent_usd,
        )
