"""The analyst: a model that explains what the checks found, kept on a short lead.

One agno agent a run over one shared client; the tools fixed by the playbook; hard budgets; a ladder down to rules alone; and every sentence
grounded in code before it leaves. Without a model, or with a broken one, the report is complete and one line says so.
"""

import asyncio
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import structlog
from pydantic import ValidationError

from bot.alerts.model import Alert
from bot.investigation.budget import Budget
from bot.investigation.causes import vocabulary
from bot.investigation.claims import Claims, GroundedClaims
from bot.investigation.grounding import ground
from bot.investigation.model import Cost, Finding, Frozen
from bot.playbooks.model import AgentBlock
from bot.settings import ModelSettings
from bot.tools.evidence import Evidence
from bot.tools.functions import Door, functions
from mcp_servers.common.redaction import redact
from mcp_servers.common.untrusted import cut

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from bot.investigation.chat import Trouble

log = structlog.get_logger(__name__)

Tier = Literal["standard", "complex"]
WITHOUT: Final = "findings are complete, the explanation is shorter"
COMPLEX_SHARE: Final = 0.6
"""Share of the time that the complex model may use while the standard one could still answer after it."""
TIMES: Final = {1: "once", 2: "twice", 3: "three times", 4: "four times", 5: "five times", 6: "six times"}


class Analysis(Frozen):
    """What came of it.

    ``claims`` are grounded. ``evidence`` is what the model fetched itself. ``note`` is one line for the card: why there is no explanation,
    or that a smaller model gave it; "" when there is nothing to say. ``notes`` are what grounding had to drop or mark.
    """

    status: Literal["ok", "skipped", "failed"]
    claims: GroundedClaims | None = None
    evidence: tuple[Evidence, ...] = ()
    cost: Cost = Cost()
    note: str = ""
    notes: tuple[str, ...] = ()
    tier: str = ""


class Analyst:
    """Made once for the process; `close` at the end. Safe for many analyses at a time."""

    def __init__(self, settings: ModelSettings, client: "AsyncOpenAI | None" = None) -> None:
        """``client`` is shared with others and then not closed here; by default one is made at the first use and kept."""
        self._settings = settings
        self._client = client
        self._own_client = client is None

    @property
    def configured(self) -> bool:
        return self._settings.kind is not None

    @property
    def provider(self) -> str:
        """Who answers, in a person's words."""
        if self._settings.kind == "azure":
            return "Azure OpenAI"
        return "the model server" if self._settings.base_url else "OpenAI"

    async def close(self) -> None:
        """Close the client if it was made here."""
        client, self._client = self._client, None
        if client is not None and self._own_client:
            await client.close()

    async def ping(self) -> str:
        """Whether the standard model answers: "" or why not, in one line. For ``rca doctor``; costs a few tokens."""
        from openai import OpenAIError

        try:
            async with asyncio.timeout(min(self._settings.timeout_s, 20.0)):
                await self._shared().chat.completions.create(
                    model=self._settings.standard,
                    messages=[{"role": "user", "content": "Answer with OK."}],
                )
        except TimeoutError:
            return f"{self.provider} did not answer in {min(self._settings.timeout_s, 20.0):g} s"
        except (OpenAIError, ValueError) as trouble:
            status = getattr(trouble, "status_code", None)
            said = f"answered {status}" if status else "could not be asked"
            return f"{self.provider} {said}: {cut(redact(' '.join(str(trouble).split())), 200)}"
        return ""

    def budget(self, block: AgentBlock | None = None) -> Budget:
        """A new budget: the stricter of the installation's and the playbook's limits."""
        return Budget.of(self._settings, block.budget if block else None)

    async def analyse(
        self,
        alert: Alert,
        block: AgentBlock | None,
        findings: Iterable[Finding],
        evidence: Sequence[Evidence],
        *,
        door: Door | None = None,
        budget: Budget | None = None,
        tier: Tier | None = None,
        guidance: str | None = None,
        question: str = "",
    ) -> Analysis:
        """Let a model explain ``findings`` and ``evidence``; checked, bounded, never in the way.

        Args:
            alert: what it is about.
            block: the playbook's agent block; ``None`` means: no tools, standard tier.
            findings: the rules' results.
            evidence: what the steps collected; ids the model fetches go on from its highest number.
            door: the hub, for the tools that the block names; ``None`` for none.
            budget: defaults to `budget(block)`.
            tier: overrides the block's (when its ``escalate_when`` holds).
            guidance: the block's prompt, rendered; defaults to it as written.
            question: an engineer's question to answer instead of explaining.

        Raises nothing but ``CancelledError``.
        """
        if not self.configured:
            return Analysis(status="skipped", note="no model")
        budget = budget or self.budget(block)
        run = _Run(
            self,
            alert=alert,
            block=block,
            findings=tuple(findings),
            evidence=tuple(evidence),
            door=door,
            budget=budget,
            guidance=guidance,
            question=question,
        )
        rungs = self._rungs(tier or (block.tier if block else "standard"))
        for at, (name, model) in enumerate(rungs):
            claims = await run.attempt(model, last=at + 1 == len(rungs))
            if claims is not None:
                return run.done(claims, name, degraded=at > 0)
        return run.failed()

    def _rungs(self, tier: Tier) -> list[tuple[str, str]]:
        standard, complex_ = self._settings.standard, self._settings.complex
        if tier == "complex" and complex_ and complex_ != standard:
            return [("complex", complex_), ("standard", standard)]
        return [("standard", standard)]

    def _shared(self) -> "AsyncOpenAI":
        if self._client is None:
            from bot.investigation.chat import make_client

            self._client = make_client(self._settings)
        return self._client


class _Run:
    """One analysis: what was tried, what was fetched, what went wrong."""

    def __init__(
        self,
        analyst: Analyst,
        *,
        alert: Alert,
        block: AgentBlock | None,
        findings: tuple[Finding, ...],
        evidence: tuple[Evidence, ...],
        door: Door | None,
        budget: Budget,
        guidance: str | None,
        question: str,
    ) -> None:
        self._analyst = analyst
        self._alert = alert
        self._block = block
        self._findings = findings
        self._evidence = evidence
        self._door = door
        self._budget = budget
        self._guidance = (block.prompt if block else "") if guidance is None else guidance
        self._question = question
        self._fetched: list[Evidence] = []
        self._why: list[str] = []

    async def attempt(self, model: str, *, last: bool) -> Claims | None:
        """One rung of the ladder: the model's answer, or ``None`` with the reason kept."""
        # Imported off the loop: agno and openai take most of a second, and other investigations are running.
        os.environ["AGNO_TELEMETRY"] = "false"
        chat = await asyncio.to_thread(_import_chat)
        trouble: Trouble = chat.Trouble()
        seconds = self._budget.left_s * (1.0 if last else COMPLEX_SHARE)
        if seconds <= 0:
            self._why.append(f"the budget of {self._budget.seconds:g} s is spent")
            return None
        try:
            async with asyncio.timeout(seconds):
                content = await self._ask(chat, model, trouble, seconds)
        except TimeoutError:
            self._why.append(f"{self._analyst.provider} did not finish in {seconds:.0f} s")
            return None
        except ValueError as bad:  # the settings do not make a client
            self._why.append(cut(redact(str(bad)), 160))
            return None
        claims = _claims(content)
        if claims is None:
            self._why.append(self._reason(trouble, model))
        return claims

    async def _ask(self, chat: Any, model: str, trouble: "Trouble", seconds: float) -> Any:
        from agno.agent import Agent
        from agno.run.base import RunStatus

        settings = self._analyst._settings
        agent = Agent(
            model=chat.chat(
                self._analyst._shared(),
                model,
                settings=settings,
                budget=self._budget,
                trouble=trouble,
                timeout_s=min(settings.timeout_s, seconds),
            ),
            system_message=_instructions(),
            tools=self._functions(),
            output_schema=Claims,
            telemetry=False,
            markdown=False,
        )
        run = await agent.arun(self._message())
        return None if run.status == RunStatus.error else run.content

    def _functions(self) -> list[Any]:
        if self._door is None or self._block is None or not self._block.tools:
            return []
        return functions(
            self._door,
            self._block.tools,
            next_id=self._next_id(),
            spend=self._budget.take_tool_call,
            record=self._fetched.append,
        )

    def _next_id(self) -> Callable[[], str]:
        taken = [int(m[1]) for one in (*self._evidence, *self._fetched) if (m := re.match(r"E(\d+)", one.id))]
        count = max(taken, default=0)

        def name() -> str:
            nonlocal count
            count += 1
            return f"E{count}"

        return name

    def _message(self) -> str:
        from bot.investigation.prompt import MAX_DATA_BYTES, user_message

        # Half of the tokens for the data, so that answers and further rounds fit too.
        limit = min(MAX_DATA_BYTES, int(self._budget.left_tokens * 3.5 / 2))
        return user_message(
            self._alert,
            self._findings,
            (*self._evidence, *self._fetched),
            vocabulary(),
            guidance=self._guidance,
            question=self._question,
            limit=limit,
        )

    def _reason(self, trouble: "Trouble", model: str) -> str:
        who = self._analyst.provider
        if trouble.budget:
            return f"the budget of {trouble.budget} was spent before an answer"
        if trouble.timed_out:
            return f"{who} did not answer in {self._analyst._settings.timeout_s:g} s"
        if trouble.statuses:
            status, count = trouble.statuses[-1], trouble.statuses.count(trouble.statuses[-1])
            if status == 0:
                return f"{who} could not be reached"
            if status in (401, 403):
                return f"{who} refused the credentials ({status})"
            if status == 404:
                return f"{who} knows no model or deployment {model!r} (404)"
            return f"{who} answered {status} {TIMES.get(count, f'{count} times')}"
        return f"the answer of {model} was not usable"

    def done(self, claims: Claims, tier: str, *, degraded: bool) -> Analysis:
        everything = (*self._evidence, *self._fetched)
        grounded = ground(claims, everything, vocabulary(), names=_names(self._alert))
        note = f"{self._why[-1]}; the standard model explained instead" if degraded and self._why else ""
        log.info("analysis", status="ok", tier=tier, unverified=grounded.unverified, **self._cost_fields())
        return Analysis(
            status="ok",
            claims=grounded,
            evidence=tuple(self._fetched),
            cost=self._budget.cost(),
            note=note,
            notes=grounded.notes,
            tier=tier,
        )

    def failed(self) -> Analysis:
        why = self._why[-1] if self._why else "it did not answer"
        log.warning("analysis", status="failed", reasons=self._why, **self._cost_fields())
        return Analysis(
            status="failed",
            evidence=tuple(self._fetched),
            cost=self._budget.cost(),
            note=f"no model: {why}; {WITHOUT}",
        )

    def _cost_fields(self) -> dict[str, Any]:
        cost = self._budget.cost()
        return {"model_calls": cost.calls, "tokens": cost.input_tokens + cost.output_tokens, "usd": cost.usd}


def _import_chat() -> Any:
    import agno.agent  # noqa: F401 - warmed here, off the loop

    from bot.investigation import chat

    return chat


def _instructions() -> str:
    from bot.investigation.prompt import INSTRUCTIONS

    return INSTRUCTIONS


def _claims(content: Any) -> Claims | None:
    """The answer as `Claims`: structured already, or JSON inside text for providers without structured output."""
    if isinstance(content, Claims):
        return content
    if not isinstance(content, str):
        return None
    start, end = content.find("{"), content.rfind("}")
    if start < 0 or end <= start or len(content) > 100_000:
        return None
    try:
        return Claims.model_validate(json.loads(content[start : end + 1]))
    except (ValueError, RecursionError, ValidationError):
        return None


def _names(alert: Alert) -> list[str]:
    """What may be named without evidence: the alert's own name and labels. Its prose is not among them: strangers write there."""
    named = [alert.namespace, alert.pod, alert.container, alert.workload, alert.service, alert.node, alert.cluster]
    return [alert.name, *(n for n in named if n), *(v for v in alert.labels.values() if " " not in v)]
