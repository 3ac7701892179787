"""The model as the analyst uses it: one shared client for the process, and a chat model that stops at the budget.

Slow to import (agno, openai), so only an analysis imports it. One client for each endpoint for the whole life of the process: clients that
are collected while the loop runs can take connections of living ones with them, and those requests then hang.
"""

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

os.environ["AGNO_TELEMETRY"] = (
    "false"  # the environment wins over the argument, both ways; it must be set before the first agent
)

from agno.exceptions import ModelProviderError
from agno.models.openai.like import OpenAILike
from agno.utils.log import configure_agno_logging
from openai import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncAzureOpenAI,
    AsyncOpenAI,
    Timeout,
)

from bot.investigation.budget import Budget, BudgetSpent
from bot.settings import ModelSettings

ATTEMPTS: Final = 3
"""Requests for one model call: a refusal for load (429) or a fault of the service (5xx) is tried again."""
PAUSES_S: Final = (0.5, 1.5)
MOST_PAUSE_S: Final = 8.0
MAX_OUTPUT_TOKENS: Final = 4_000

# agno's own lines repeat what the analyst reports in one, and its tracebacks of tool calls would carry data past our redaction.
_SILENT = logging.getLogger("bot.silent")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False
configure_agno_logging(
    custom_default_logger=_SILENT,
    custom_agent_logger=_SILENT,
    custom_team_logger=_SILENT,
    custom_workflow_logger=_SILENT,
)


def make_client(settings: ModelSettings) -> AsyncOpenAI:
    """The client for the configured endpoint. Raises `ValueError` when the settings name none or lack what it needs."""
    timeout = Timeout(settings.timeout_s, connect=min(10.0, settings.timeout_s))
    key = settings.api_key.get_secret_value() if settings.api_key else None
    if settings.kind == "azure":
        if not settings.azure_endpoint:
            raise ValueError("Azure OpenAI needs AZURE_OPENAI_ENDPOINT")
        token = None if key else _entra_token()
        return AsyncAzureOpenAI(
            azure_endpoint=settings.azure_endpoint,
            api_version=settings.azure_api_version,
            api_key=key,
            azure_ad_token_provider=token,
            timeout=timeout,
            max_retries=0,  # retried here, where the budget is known
        )
    if settings.kind == "openai":
        # Local servers want no key, but the client insists on one.
        return AsyncOpenAI(api_key=key or "none", base_url=settings.base_url or None, timeout=timeout, max_retries=0)
    raise ValueError("no model is configured")


def _entra_token() -> Callable[[], Awaitable[str]]:
    try:
        from azure.identity.aio import (  # type: ignore[import-not-found,unused-ignore]
            DefaultAzureCredential,
            get_bearer_token_provider,
        )
    except ImportError:
        raise ValueError(
            "Azure OpenAI without AZURE_OPENAI_API_KEY signs in through Entra ID, which needs the extra: pip install 'rca-bot[azure]'"
        ) from None
    provider: Callable[[], Awaitable[str]] = get_bearer_token_provider(
        DefaultAzureCredential(), "https://cognitiveservices.azure.com/.default"
    )
    return provider


@dataclass
class Trouble:
    """Why requests failed, for one honest line. ``statuses`` are HTTP statuses, 0 for no answer."""

    statuses: list[int] = field(default_factory=list)
    timed_out: int = 0
    budget: str = ""
    message: str = ""

    def note(self, error: ModelProviderError) -> None:
        cause = error.__cause__
        if isinstance(cause, APITimeoutError):
            self.timed_out += 1
        elif isinstance(cause, APIStatusError):
            self.statuses.append(cause.status_code)
        else:
            self.statuses.append(0)
        self.message = str(error.message)


@dataclass
class BudgetedChat(OpenAILike):  # type: ignore[misc]
    """A chat model that asks the budget before each request, forces the answer when no further round fits, and retries within it."""

    budget: Any = None
    trouble: Any = None
    provider_id: str = ""

    async def ainvoke(self, messages: Any, assistant_message: Any, *args: Any, **kwargs: Any) -> Any:
        budget: Budget = self.budget
        trouble: Trouble = self.trouble
        if kwargs.get("tools") and budget.last_call:
            kwargs["tool_choice"] = "none"  # agno's own limit is no stop: a looping model would go on for ever
        size = sum(len(str(m.content or "")) for m in messages) + len(json.dumps(kwargs.get("tools") or []))
        for attempt in range(ATTEMPTS):
            try:
                budget.take_model_call(size)
            except BudgetSpent as spent:
                trouble.budget = str(spent)
                raise ModelProviderError(message=f"budget spent: {spent}", status_code=413) from spent
            try:
                return await super().ainvoke(messages, assistant_message, *args, **kwargs)
            except ModelProviderError as error:
                trouble.note(error)
                pause = _pause(error, attempt)
                if pause is None or attempt + 1 >= ATTEMPTS or pause >= budget.left_s:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _parse_provider_response(self, response: Any, *args: Any, **kwargs: Any) -> Any:
        usage = getattr(response, "usage", None)
        if usage is not None:
            served = str(getattr(response, "model", "") or self.id)
            self.budget.used(served, self.provider_id, usage.prompt_tokens or 0, usage.completion_tokens or 0)
        return super()._parse_provider_response(response, *args, **kwargs)


def _pause(error: ModelProviderError, attempt: int) -> float | None:
    """Seconds until the next attempt; ``None`` when another one would fail the same way."""
    cause = error.__cause__
    if isinstance(cause, APITimeoutError):
        return None  # a second wait of that length is the ladder's to decide
    if isinstance(cause, APIConnectionError):
        return PAUSES_S[min(attempt, len(PAUSES_S) - 1)]
    if not isinstance(cause, APIStatusError) or not (cause.status_code == 429 or cause.status_code >= 500):
        return None
    wanted = cause.response.headers.get("retry-after", "")
    asked = float(wanted) if wanted.replace(".", "", 1).isdigit() else PAUSES_S[min(attempt, len(PAUSES_S) - 1)]
    return asked if asked <= MOST_PAUSE_S else None


def chat(
    client: AsyncOpenAI, model: str, *, settings: ModelSettings, budget: Budget, trouble: Trouble, timeout_s: float
) -> BudgetedChat:
    """A chat model for one rung of one analysis, over the shared client."""
    provider = "azure" if settings.kind == "azure" else "" if settings.base_url else "openai"
    return BudgetedChat(
        id=model,
        name="Azure OpenAI" if settings.kind == "azure" else "OpenAI",
        async_client=client,
        timeout=timeout_s,
        max_completion_tokens=MAX_OUTPUT_TOKENS if provider else None,
        max_tokens=None if provider else MAX_OUTPUT_TOKENS,
        budget=budget,
        trouble=trouble,
        provider_id=provider,
    )
