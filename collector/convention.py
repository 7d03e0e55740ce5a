"""The socket of dialects: exactly one reads a span, the others only fill what it left empty."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from collector.moving import Mover
from collector.reading.content import contents_of
from collector.reading.draft import Draft
from collector.reading.feedback import feedback_of_record, read_feedback
from collector.reading.identity import Getter, Identities, sayers
from collector.reading.outcome import read_outcome
from collector.reading.recall import Recall
from collector.runs import RunAttributes
from waypost.assembly.cohort import Cohorts
from waypost.names import EVENT_EVALUATION, EVENT_FEEDBACK, SPAN_STEP, SPAN_TRAJECTORY
from waypost.plugins import discover
from waypost.prices import Prices
from waypost.records import Content, Feedback, Json, Kind, LogRecord, RawSpan, Reading, Status, Step

PACKAGE = "collector.conventions"
GROUP = "waypost.conventions"
_TOOLS = (Kind.TOOL, Kind.PLAN, Kind.HANDOFF)
_NAMES_HELD = 200_000
UNREAD: Final = "unread"


@dataclass(frozen=True, slots=True)
class Convention:
    """One dialect: `matches` finds its marker, `mark` decides the kind, `read` fills the fields.

    The lowest rank that matches a span reads it. `helps` says whether it may fill the gaps that
    another one left; by default where it would have matched. A span that bears none of `names`
    need not be asked; without them every span is. `moving` are the attributes that differ from
    step to step, for `recurring`, and `lists` the beginnings of those that are messages flattened
    into names, with the field they fill.
    """

    name: str
    rank: int
    matches: Callable[[RawSpan], bool]
    mark: Callable[[Draft], None]
    read: Callable[[Draft], None]
    helps: Callable[[RawSpan], bool] | None = field(default=None)
    names: frozenset[str] | None = field(default=None)
    moving: Mapping[str, Mover] = field(default_factory=dict)
    lists: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alike:
    """What the names of a span's attributes decide, for all spans that bear the same ones."""

    conventions: tuple[Convention, ...]
    sayers: Getter | None


class Reader:
    """Reads spans with every convention that discovery finds, in the order of their ranks."""

    def __init__(
        self,
        conventions: Iterable[Convention] | None = None,
        recall: Recall | None = None,
        prices: Prices | None = None,
    ) -> None:
        if conventions is None:
            conventions = discover(Convention, package=PACKAGE, group=GROUP)
        self._conventions = sorted(conventions, key=lambda c: (c.rank, c.name))
        self.recall = recall or Recall()
        self._prices = prices
        self._identities = Identities()
        self._alike: dict[Hashable, Alike] = {}
        self._held = 0

    @property
    def conventions(self) -> Sequence[Convention]:
        return self._conventions

    def readers(self, span: RawSpan) -> Sequence[Convention]:
        """The convention whose marker the span bears, and those that fill what it leaves empty."""
        return _chosen(self._conventions, span)[0]

    def read(self, span: RawSpan, cohorts: Cohorts | None = None) -> Reading:
        """The step in a span, with its content and its verdicts."""
        alike = self._alike_of(span.attributes, cohorts)
        draft = Draft(span, self.recall)
        (chosen, *others), lost = _chosen(alike.conventions, span)
        draft.notes += [f"{UNREAD}:{c.name}" for c in lost]
        _fill(draft, chosen, chosen.mark)
        for convention in (chosen, *others):
            _fill(draft, convention, convention.read)
        self._identities.read(draft, cohorts, alike.sayers)
        read_feedback(draft)
        read_outcome(draft)
        if any(note.startswith(UNREAD) for note in draft.notes):
            draft.keep_all()  # at the end, for whoever read after the failure took some as well
        if self._prices is not None and draft.kind is Kind.LLM:
            _price(draft, self._prices)
        step = _step(draft, chosen.name)
        return Reading(step, tuple(draft.contents), tuple(draft.feedback))

    def _alike_of(self, attributes: Mapping[str, Json], cohorts: Cohorts | None) -> Alike:
        names = tuple(attributes)
        key = (names, cohorts.keys if cohorts is not None else None)
        found = self._alike.get(key)
        if found is None:
            if self._held > _NAMES_HELD:
                self._alike, self._held = {}, 0
            self._held += len(names)
            asked = (
                c for c in self._conventions
                if c.names is None or not c.names.isdisjoint(names)
            )  # fmt: skip
            found = self._alike[key] = Alike(tuple(asked), sayers(names, cohorts))
        return found


def marked(conventions: Iterable[Convention], span: RawSpan) -> Convention | None:
    """The first whose marker the span bears; None if there is none, or one cannot tell."""
    try:
        return next((c for c in conventions if c.matches(span)), None)
    except Exception:  # noqa: BLE001 - a plug-in that cannot tell whose a span is must not cost it
        return None


def _readers(conventions: Sequence[Convention], span: RawSpan) -> list[Convention]:
    chosen = next(c for c in conventions if c.matches(span))
    helping = [c for c in conventions if c is not chosen and (c.helps or c.matches)(span)]
    return [chosen, *helping]


def _chosen(
    conventions: Sequence[Convention], span: RawSpan
) -> tuple[list[Convention], list[Convention]]:
    """As `_readers` without those that cannot tell, and these."""
    try:
        return _readers(conventions, span), []
    except Exception:
        able = [c for c in conventions if _can_tell(c, span)]
        if len(able) == len(conventions):
            raise
        return _readers(able, span), [c for c in conventions if c not in able]


def _can_tell(convention: Convention, span: RawSpan) -> bool:
    """Whether a convention is able to say if it reads the span, or helps to."""
    try:
        _ = convention.matches(span), (convention.helps or convention.matches)(span)
    except Exception:  # noqa: BLE001 - what a plug-in raises here is the answer: it cannot tell
        return False
    return True


def _fill(draft: Draft, convention: Convention, read: Callable[[Draft], None]) -> None:
    """Let a convention read; where it fails, the span keeps all it was sent with and says so."""
    try:
        read(draft)
    except Exception:  # noqa: BLE001 - whatever a span holds, its request must not be lost for it
        draft.notes.append(f"{UNREAD}:{convention.name}")


def _price(draft: Draft, prices: Prices) -> None:
    fields = draft.fields
    if "cost_usd" in fields or not draft.tokens:
        return
    models = (fields.get("model"), fields.get("model_requested"))
    cost = prices.cost(fields.get("provider"), models, draft.usage(), draft.span.started_at)
    if cost is not None:
        fields["cost_usd"] = cost
        fields["cost_source"] = "priced"


def _step(draft: Draft, convention: str) -> Step:
    span = draft.span
    fields = draft.fields
    if draft.kind is Kind.LLM and draft.tokens:
        fields.setdefault("tokens", draft.usage())
    fields.setdefault("name", _title(draft))
    fields.setdefault("status", Status.OK)
    fields.setdefault("span_id", span.span_id)
    fields.setdefault("parent_id", span.parent_id)
    return _BLANK.replace(
        trace_id=span.trace_id,
        kind=draft.kind,
        started_at=span.started_at,
        ended_at=span.ended_at,
        convention=convention,
        links=span.links,
        attributes=_left(draft),
        resource=span.resource,
        notes=tuple(draft.notes),
        origin=_origin(draft),
        **fields,
    )


# A copy is made in a third of the time of a new step.
_BLANK: Final = Step("", "", None, Kind.OTHER, "", 0, 0)


def _left(draft: Draft) -> dict[str, Json]:
    """The attributes that did not become a payload."""
    taken, shortened = draft.taken, draft.shortened
    sent = draft.attributes
    if draft.repeats and isinstance(sent, RunAttributes) and sent.base is not None:
        return {**sent.base.pairs, **sent}  # nobody made messages of them
    if not taken and not shortened:
        return dict(draft.attributes)
    left = {k: v for k, v in draft.attributes.items() if k not in taken}
    left.update(shortened)
    return left


def _origin(draft: Draft) -> dict[str, Json]:
    span = draft.span
    events: list[Json] = [
        {"name": e.name, "at": e.at, "attributes": dict(e.attributes)}
        for i, e in enumerate(span.events)
        if i not in draft.read_events
    ]
    whole: dict[str, Json] = {
        "name": span.name, "kind": span.span_kind, "code": span.status_code,
        "message": span.status_message, "scope": span.scope_name, "version": span.scope_version,
        "events": events,
    }  # fmt: skip
    return {k: v for k, v in whole.items() if v}


def _title(draft: Draft) -> str:
    fields = draft.fields
    if draft.kind in _TOOLS:
        found = fields.get("tool")
    elif draft.kind is Kind.LLM:
        found = fields.get("model") or fields.get("model_requested")
    elif draft.kind is Kind.RETRIEVAL:
        found = fields.get("data_source")
    elif draft.kind is Kind.GUARDRAIL and "guard" in fields:
        found = fields["guard"].name
    else:
        found = None
    if found is None and draft.span.name in (SPAN_STEP, SPAN_TRAJECTORY):
        found = fields.get("agent") if draft.kind is Kind.AGENT else fields.get("operation")
        found = found or draft.kind.value
    return str(found or draft.span.name)


@dataclass(frozen=True, slots=True)
class LogReading:
    """What one log record carries for a span that comes on its own."""

    contents: tuple[Content, ...] = ()
    feedback: tuple[Feedback, ...] = ()


def read_log(record: LogRecord) -> LogReading:
    """The messages or the verdict in a log record; nothing when it holds neither."""
    if record.event_name in (EVENT_EVALUATION, EVENT_FEEDBACK):
        verdict = feedback_of_record(record)
        return LogReading(feedback=(verdict,) if verdict is not None else ())
    return LogReading(contents=tuple(contents_of(record)))
