"""Spans like one that was read and masked before: only what moves is read anew.

The steps of an agent differ in ids, times, messages and counts; the rest (who, where, which model,
which prompt) is said again with every span. A convention names what moves and how its plain values
are read; whatever is unusual is read the long way. What a pattern is learned from is read both
ways, and the pattern is kept only if they agree.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, TypeAlias

import orjson

from collector.convention import Convention, Reader, marked
from collector.masking import Masker
from collector.moving import Mover, Name, flattened
from collector.reading.draft import Draft
from collector.reading.identity import Resources
from collector.runs import RunAttributes
from waypost.assembly.cohort import Cohorts
from waypost.canon import digest
from waypost.prices import Prices
from waypost.records import Json, Kind, RawSpan, Reading, Step

_NAMES: Final = 4 << 20
_HELD: Final = 16 << 20
_SHORT: Final = 256
_LONG: Final = 8_192
_TRIALS: Final = 64
_ERROR_CODE: Final = 2
_GENAI: Final = "genai"

Attributes: TypeAlias = Mapping[str, Json]


@dataclass(slots=True, eq=False)
class Shape:
    """What the names of a span's attributes decide: which values tell spans apart, which move.

    `convention` has to be the one that reads the span. `lists` are the flattened messages that
    move; only `count` other attributes are there. `said` are the names of what messages and
    payloads are read from. `misses` counts patterns that were learned and
    `hits` spans that had one: where some attribute never repeats, learning only costs.
    """

    convention: Convention
    still: Callable[[Attributes], tuple[Json, ...]]
    moving: tuple[tuple[str, Mover], ...]
    lists: Mapping[str, str]
    count: int
    said: tuple[str, ...]
    hits: int = 0
    misses: int = 0

    @property
    def pays(self) -> bool:
        return self.misses < _TRIALS or self.hits > self.misses


@dataclass(frozen=True, slots=True)
class Pattern:
    """One masked step, and which attributes are left of its span, those with texts that move."""

    step: Step
    left: tuple[str, ...]
    texts: tuple[str, ...]
    priced: bool


class Recurring:
    """Reads and masks spans; what one like them came to is not worked out again."""

    def __init__(self, reader: Reader, masker: Masker, prices: Prices) -> None:
        self._reader = reader
        self._masker = masker
        self._prices = prices
        self._resources = Resources()
        self._conventions = [c for c in reader.conventions if c.moving]
        self._shapes: dict[Hashable, Shape | None] = {}
        self._known: dict[Hashable, Pattern | None] = {}
        self._named = self._held = 0
        self.hits = 0

    def reading(self, span: RawSpan, cohorts: Cohorts) -> Reading:
        """The masked reading of a span."""
        shape = self._shape_of(span, cohorts)
        if shape is None or not shape.pays:
            return self._read(span, cohorts)
        key = self._key_of(span, shape)
        pattern = self._known.get(key, _UNKNOWN)
        step = self._step(span, shape, pattern) if isinstance(pattern, Pattern) else None
        if step is not None:
            shape.hits += 1
            self.hits += 1
            return Reading(step)
        reading = self._read(span, cohorts)
        if pattern is None:
            shape.misses += 1
        elif pattern is _UNKNOWN:
            shape.misses += 1
            self._keep(key, span, self._pattern(span, shape, reading))
        return reading

    def _read(self, span: RawSpan, cohorts: Cohorts) -> Reading:
        return self._masker.reading(self._reader.read(span, cohorts))

    def _shape_of(self, span: RawSpan, cohorts: Cohorts) -> Shape | None:
        """None for spans that carry more than attributes, and where nothing is known to move."""
        if span.events or span.links or span.notes or span.status_message:
            return None
        if span.status_code == _ERROR_CODE:
            return None
        found = marked(self._conventions, span)
        if found is None or not _is_read_by(found, span.attributes):
            return None
        names, lists = _names_of(span.attributes, found.lists)
        key = (names, lists, span.name, cohorts.keys)
        try:
            return self._shapes[key]
        except KeyError:
            if self._named > _NAMES:
                self._shapes.clear()
                self._named = 0
            self._named += 500 + 100 * len(names) + sum(map(len, names)) + len(span.name)
            shape = self._shapes[key] = _shape(names, lists, found, cohorts)
            return shape

    def _key_of(self, span: RawSpan, shape: Shape) -> Hashable:
        """What all spans of one pattern have in common."""
        values = shape.still(span.attributes)
        return (
            shape, tuple([_small(v) for v in values]),
            tuple(map(type, values)),  # 1 and True are equal, what they say is not
            span.parent_id is None, span.span_kind, span.status_code, span.scope_name,
            span.scope_version, self._resources.key(span.resource),
        )  # fmt: skip

    def _keep(self, key: Hashable, span: RawSpan, pattern: Pattern | None) -> None:
        if self._held > _HELD:
            self._known.clear()
            self._held = 0
        self._held += 2_000
        if pattern is not None:  # its prompt and its tools are held as texts and as values
            texts = (v for v in span.attributes.values() if isinstance(v, str))
            self._held += 3 * sum(map(len, texts))
        self._known[key] = pattern

    def _pattern(self, span: RawSpan, shape: Shape, reading: Reading) -> Pattern | None:
        """What further spans like this one are read by; None when that gives another step."""
        if reading.contents or reading.feedback or not self._is_alone(shape.convention, span):
            return None
        step = reading.step
        left = tuple(step.attributes)
        if not span.attributes.keys() >= step.attributes.keys():
            return None
        moving = {name for name, _ in shape.moving}
        texts = tuple(n for n in left if n in moving and isinstance(span.attributes[n], str))
        pattern = Pattern(step, left, texts, step.cost_source == "priced")
        return pattern if self._step(span, shape, pattern) == step else None

    def _is_alone(self, convention: Convention, span: RawSpan) -> bool:
        """Whether no other convention may read what moves; the GenAI one reads names of its own."""
        first, *others = self._reader.readers(span)
        return first is convention and all(c.name == _GENAI for c in others)

    def _step(self, span: RawSpan, shape: Shape, pattern: Pattern) -> Step | None:
        """The step of a span that differs from the pattern's in what moves alone."""
        sent, known = span.attributes, pattern.step
        draft = Draft(span, self._reader.recall)
        draft.kind = known.kind
        if shape.lists and flattened(draft, shape.lists) != len(sent) - shape.count:
            return None  # one holds no message, or a name is not an honest one
        for name, move in shape.moving:
            if not move(draft, sent[name]):
                return None
        fields = draft.fields
        if draft.tokens and known.kind is Kind.LLM:
            fields["tokens"] = tokens = draft.usage()
            if pattern.priced:
                models = (known.model, known.model_requested)
                fields["cost_usd"] = self._prices.cost(
                    known.provider, models, tokens, span.started_at
                )
        left = {name: sent[name] for name in pattern.left}
        notes = self._masker.moved(fields, left, pattern.texts, _said(sent, shape))
        return known.replace(
            trace_id=span.trace_id, span_id=span.span_id, parent_id=span.parent_id,
            started_at=span.started_at, ended_at=span.ended_at, attributes=left, notes=notes,
            **fields,
        )  # fmt: skip


_UNKNOWN: Final = object()


def _said(sent: Attributes, shape: Shape) -> str:
    """The texts that the messages and payloads of a span are read from; nothing if they are long.

    Of a long history most was looked at before, message by message.
    """
    texts = [sent[name] for name in shape.said]
    said = "\n".join([text for text in texts if type(text) is str])
    return said if len(said) <= _LONG and not shape.lists else ""


def _small(value: Json) -> Hashable:
    """The value, or what names it where it is long or cannot be looked up."""
    if type(value) is str:
        return value if len(value) <= _SHORT else digest(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, list | dict):
        return digest(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))
    return value


def _is_read_by(convention: Convention, attributes: Attributes) -> bool:
    """Whether the convention knows of the list that this trace sent before, if there is one."""
    return not isinstance(attributes, RunAttributes) or attributes.run.prefix in convention.lists


def _names_of(
    attributes: Attributes, lists: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names beside the flattened lists, and which of these lists there are."""
    if not lists:
        return tuple(attributes), ()
    starts = tuple(lists)
    listed = [n for n in attributes if n.startswith(starts)]
    repeated = attributes.run.prefix if isinstance(attributes, RunAttributes) else ""
    there = tuple([s for s in starts if s == repeated or any(n.startswith(s) for n in listed)])
    return tuple([n for n in attributes if not n.startswith(starts)]), there


def _shape(
    names: tuple[str, ...], lists: tuple[str, ...], convention: Convention, cohorts: Cohorts
) -> Shape | None:
    """None when nothing moves; what a cohort is made of tells spans apart."""
    moving = convention.moving
    moves = [n for n in names if n in moving and n not in cohorts.attributes]
    still = [n for n in names if n not in moves]
    if not (moves or lists) or not still or any(n.startswith(lists) for n in cohorts.attributes):
        return None
    # The first again, because of one name `itemgetter` gives no tuple.
    get = itemgetter(*still, still[0])
    movers = tuple((n, moving[n]) for n in moves)
    said = tuple([n for n, move in movers if not isinstance(move, Name)])
    return Shape(convention, get, movers, {s: convention.lists[s] for s in lists}, len(names), said)
