"""The shapes of what the REST interface takes and gives."""

import datetime as dt
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from waypost.rates import Rate

T = TypeVar("T")
NoNul = r"^[^\x00]*$"
Text = Annotated[str, StringConstraints(max_length=200, pattern=NoNul)]
LongText = Annotated[str, StringConstraints(max_length=4000, pattern=NoNul)]
TraceId = Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")]
SpanId = Annotated[str, StringConstraints(pattern="^[0-9a-f]{16}$")]
Json = Any


class Shape(BaseModel):
    """Everything is declared; what is not is refused."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """What went wrong, in a sentence."""

    error: str


class Page(BaseModel, Generic[T]):
    """One page; `next` opens the following one, and is absent on the last."""

    items: list[T]
    next: str | None = None


class RateShape(BaseModel):
    """k of n with its interval; rate is null when n is 0."""

    k: float
    n: float
    rate: float | None
    low: float
    high: float

    @classmethod
    def of(cls, rate: Rate) -> "RateShape":
        return cls(k=rate.k, n=rate.n, rate=rate.share, low=rate.low, high=rate.high)


class TrajectoryShape(BaseModel):
    """One line of a list of trajectories."""

    trace_id: str
    trajectory_id: str
    first_at: dt.datetime
    last_at: dt.datetime
    status: str
    ended: bool
    name: str | None
    agent: str | None
    session: str | None
    user: str | None
    model: str | None
    prompt_version: str | None
    cohort_id: int | None
    steps: int
    errors: int
    fails: int
    first_bad_step: int | None
    worst_score: float | None
    tokens_in: int
    tokens_out: int
    tokens_partial: bool
    cost_usd: float
    cost_partial: bool


class StepShape(BaseModel):
    """One step of a trajectory. Payloads are as they were recorded, after masking."""

    number: int | None
    span_id: str
    trace_id: str
    parent_step: int | None
    kind: str
    name: str
    status: str
    started_at: dt.datetime
    duration_ms: float
    agent: str | None
    model: str | None
    prompt_version: str | None
    tool: str | None
    arguments: Json
    result: Json
    input: list[Json]
    output: list[Json]
    query: str | None
    documents: list[Json]
    error: Json
    guard: Json
    tokens_in: int | None
    tokens_out: int | None
    cost_usd: float | None


class RunShape(BaseModel):
    """One whole trajectory."""

    id: str
    traces: list[str]
    name: str
    agent: str | None
    session: str | None
    user: str | None
    status: str
    error: dict[str, str] | None
    ended: bool
    cohort: dict[str, str]
    started_at: dt.datetime
    ended_at: dt.datetime
    steps: int
    final_step: int | None
    cost_usd: float | None
    incomplete: list[str]


class ScoreShape(BaseModel):
    """One verdict of one evaluator on a step, or on the whole run when span_id is null."""

    trace_id: str
    span_id: str | None
    at: dt.datetime
    scored_at: dt.datetime
    evaluator: str
    version: str
    source: str
    outcome: str
    value: float | None
    label: str | None
    explanation: str
    by: str | None


class FailingShape(BaseModel):
    """A failed score and where it is."""

    trace_id: str
    span_id: str | None
    at: dt.datetime
    evaluator: str
    version: str
    value: float | None
    label: str | None
    explanation: str


class CellShape(BaseModel):
    """One evaluator in one cohort."""

    evaluator: str
    values: dict[str, str]
    fails: RateShape
    abstains: RateShape
    value: float | None


class PointShape(BaseModel):
    """One hour or day."""

    at: dt.datetime
    fails: RateShape
    abstained: int


class ComparedShape(BaseModel):
    """One cell in two windows."""

    evaluator: str
    values: dict[str, str]
    before: RateShape
    after: RateShape
    difference: float | None
    low: float
    high: float
    p: float


class AmountShape(BaseModel):
    """Milliseconds, tokens or dollars a run."""

    total: float
    mean: float | None
    p50: float | None
    p95: float | None


class RunCellShape(BaseModel):
    """The runs of one cohort."""

    values: dict[str, str]
    runs: int
    steps: int
    shares: dict[str, RateShape]
    counts: dict[str, int]
    amounts: dict[str, AmountShape]


class SaidShape(BaseModel):
    """What people said, per 1,000 sessions of one cohort."""

    values: dict[str, str]
    sessions: int
    per_thousand: dict[str, float | None]
    rates: dict[str, RateShape]


class SliceShape(BaseModel):
    """Attribute values in which failures gather."""

    conditions: dict[str, str]
    k: int
    n: int
    failures: int
    items: int
    q: float
    text: str


class CauseShape(BaseModel):
    """A version that came when the failures did."""

    kind: str
    name: str
    version: str
    first_at: dt.datetime


class ExplanationShape(BaseModel):
    """Why and since when."""

    items: int
    failures: int
    slices: list[SliceShape]
    since: dt.datetime | None
    since_low: dt.datetime | None
    since_high: dt.datetime | None
    causes: list[CauseShape]


class CohortKeyShape(BaseModel):
    """A cohort key, its values, and how many runs went beyond the day's thousand values."""

    key: str
    values: list[str]
    counted_as_other: int


class KeysIn(Shape):
    """The declared cohort keys."""

    keys: list[str]


class MemberShape(BaseModel):
    """One cohort of an incident."""

    values: dict[str, str]
    joined_at: dt.datetime
    left_at: dt.datetime | None
    since: dt.datetime
    k: float
    n: float
    usual: float


class IncidentShape(BaseModel):
    """One period in which cohorts were out of line."""

    id: int
    rule: str
    mode: str
    status: str
    opened_at: dt.datetime
    since: dt.datetime
    resolved_at: dt.datetime | None
    acknowledged_at: dt.datetime | None
    acknowledged_by: str | None
    snoozed_until: dt.datetime | None
    cohorts: list[MemberShape]
    message: dict[str, Json] | None


class EventShape(BaseModel):
    """One line of an incident's timeline."""

    at: dt.datetime
    what: str
    by: str | None
    detail: dict[str, Json]


class DeliveryShape(BaseModel):
    """One message for one channel."""

    kind: str
    channel: str
    status: str
    attempts: int
    created_at: dt.datetime
    done_at: dt.datetime | None
    error: str | None


class IncidentDetail(IncidentShape):
    """An incident with its timeline and its messages."""

    events: list[EventShape]
    deliveries: list[DeliveryShape]


class SnoozeShape(Shape):
    """For how long to be silent."""

    minutes: Annotated[int, Field(ge=1, le=60 * 24 * 30)]


class RuleShape(BaseModel):
    """An alert rule: its table, where it stands, and why it could not be judged if it could not."""

    name: str
    origin: str
    enabled: bool
    fault: str | None
    rule: dict[str, Json]


class RuleIn(Shape):
    """A rule as waypost.toml writes it, without its name."""

    rule: dict[str, Json]


class FiredShape(BaseModel):
    """When a rule would have fired, or come back."""

    at: dt.datetime
    values: dict[str, str]
    fired: bool


class FeedbackIn(Shape):
    """A verdict from outside: of a step, a run or a session. One of the three must be named."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NoNul)]
    trace_id: TraceId | None = None
    span_id: SpanId | None = None
    session: Annotated[Text, Field(min_length=1)] | None = None
    value: Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)] | None = None
    label: Text | None = None
    passed: bool | None = None
    explanation: LongText = ""
    version: Text = ""
    source: Annotated[str, StringConstraints(pattern="^(human|code|model|llm)$")] = "human"
    by: Text | None = None


class Taken(BaseModel):
    """It is stored; what it changes is counted in a moment."""

    stored: bool = True


class EvaluatorShape(BaseModel):
    """One version of an evaluator over the last day."""

    name: str
    version: str
    source: str
    first_at: dt.datetime
    judged: int
    failed: int
    abstained: int
    value: float | None
    waiting: int
    dead: int
