"""What a model may say: the wire shape of its answer, and the same after code has checked it."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from bot.investigation.model import Cited, Frozen

MAX_CLAIMS: Final = 6
MAX_CAUSES: Final = 3
MAX_LINES: Final = 5
MAX_TEXT: Final = 400


class Wire(BaseModel):
    """A part of the model's answer. Strict providers keep to the schema; others may add fields, which are ignored."""

    model_config = ConfigDict(extra="ignore")


class Claim(Wire):
    text: str = Field(description="one sentence; every number, time and name in it must occur in the cited evidence")
    evidence: list[str] = Field(description='ids of the evidence that holds these facts, such as "E3"')


class ClaimedCause(Wire):
    code: str = Field(description="a code from the list of causes, exactly")
    object: str = Field(description="the object it concerns, as Kind/namespace/name, exactly as the evidence spells it")
    confidence: float = Field(description="0 to 1")
    evidence: list[str] = Field(description="ids of the evidence that speaks for it")


class Claims(Wire):
    """The whole answer."""

    headline: Claim
    causes: list[ClaimedCause]
    claims: list[Claim] = Field(description="three to six sentences that explain how it came to this")
    ruled_out: list[Claim] = Field(description="what the evidence speaks against")
    next_steps: list[str] = Field(description="what a person should look at next; no commands")


class GroundedClaim(Frozen):
    """A sentence of the model after the check. ``reason`` says why it is not verified, or what it rests on when tainted."""

    text: str
    evidence: tuple[str, ...] = ()
    verified: bool = True
    tainted: bool = False
    reason: str = ""

    def cited(self) -> Cited:
        return Cited(text=self.text, evidence=self.evidence, verified=self.verified, tainted=self.tainted, by="model")


class GroundedCause(Frozen):
    """A cause that the model named, with the confidence that its evidence allows."""

    code: str
    object: str
    confidence: float
    evidence: tuple[str, ...] = ()
    verified: bool = True
    tainted: bool = False
    reason: str = ""


class GroundedClaims(Frozen):
    """The model's answer after the check. ``notes`` are honest lines on what was dropped or could not be found."""

    headline: GroundedClaim | None = None
    causes: tuple[GroundedCause, ...] = ()
    claims: tuple[GroundedClaim, ...] = ()
    ruled_out: tuple[GroundedClaim, ...] = ()
    next_steps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def explanation(self) -> tuple[Cited, ...]:
        """The sentences for the report, in the model's order; unverified ones are marked, not hidden."""
        return tuple(claim.cited() for claim in self.claims)

    @property
    def unverified(self) -> int:
        lines = [*([self.headline] if self.headline else []), *self.claims, *self.ruled_out]
        return sum(not line.verified for line in lines)
