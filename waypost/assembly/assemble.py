"""Steps to a trajectory: the same one in whatever order, however often, however late they came."""

from collections.abc import Iterable, Sequence

from waypost.assembly import contents as log
from waypost.assembly import inputs, order, outputs, totals, verdicts
from waypost.assembly.calls import derive, fill_results, match
from waypost.assembly.fold import place
from waypost.assembly.handoffs import name_both
from waypost.assembly.tree import Node, Tree, is_scope, is_step
from waypost.records import Content, Feedback, Kind, Message, Step, Trajectory


def assemble(
    steps: Iterable[Step],
    contents: Iterable[Content] = (),
    feedback: Iterable[Feedback] = (),
    cohort_keys: Sequence[str] = (),
    now: int | None = None,
) -> Trajectory:
    """The trajectory that all spans of one run make.

    `steps` are the readings of every span of its traces. With `now`, a run without its root is
    running, or abandoned after a quarter of an hour of silence.
    """
    tree = Tree(steps)
    log.merge(tree.nodes, contents)
    place(tree)
    order.inherit(tree, cohort_keys)
    skewed = order.settle_times(tree)
    traces = _traces(tree)
    ended = bool(traces) and totals.has_ended(tree, traces[-1])
    steps_found = order.steps_of(tree)
    outputs.complete(steps_found)
    ordered = derive(steps_found, ended=ended)
    numbers = order.number(ordered)
    complete = inputs.complete(ordered, numbers)
    inputs.give_tools(ordered)
    totals.abandon(ordered, ended=ended, now=now)
    match(ordered)
    name_both(ordered, tree)
    fill_results(ordered)
    missing = totals.missing_of(ordered, tree)
    missing |= {"skew"} if skewed else set()
    missing |= set() if complete else {"missing_base"}
    missing |= {"missing_step"} if numbers.has_gap else set()
    return _trajectory(
        tree,
        ordered,
        numbers,
        traces,
        ended=ended,
        missing=missing,
        feedback=feedback,
        now=now,
        cohort_keys=cohort_keys,
    )


def _trajectory(  # noqa: PLR0913 - all that was found out about the run
    tree: Tree,
    ordered: list[Node],
    numbers: order.Numbers,
    traces: tuple[str, ...],
    *,
    ended: bool,
    missing: set[str],
    feedback: Iterable[Feedback],
    now: int | None,
    cohort_keys: Sequence[str],
) -> Trajectory:
    tops = totals.tops_of(tree)
    final = totals.final_of(ordered, tops, numbers)
    status = totals.status_of(ordered, tree, tops, ended=ended, now=now)
    sums = totals.Sums(ordered)
    begin, end = _span_of(tree, ordered)
    steps = tuple(node.finished() for node in ordered)
    scopes = tuple(n.finished() for n in _by_start(n for n in tree.down if is_scope(n)))
    others = tuple(
        n.finished() for n in _by_start(n for n in tree.down if not is_scope(n) and not is_step(n))
    )
    first = _First(tops, scopes, steps, others)
    return Trajectory(
        id=first.of("trajectory_id") or (traces[0] if traces else ""),
        traces=traces,
        steps=steps,
        scopes=scopes,
        others=others,
        name=first.name(),
        agent=first.agent(),
        agent_version=first.of("agent_version"),
        session=first.of("session"),
        user=first.of("user"),
        environment=first.of("environment"),
        service=first.of("service"),
        cohort=first.cohort(cohort_keys),
        status=status,
        ended=ended,
        started_at=begin,
        ended_at=end,
        final_step=final,
        input=totals.asked(ordered, tops),
        output=steps[final - 1].output if final else _said(tops),
        tokens=sums.tokens,
        tokens_partial=sums.tokens_partial,
        cost_usd=sums.cost,
        cost_partial=sums.cost_partial,
        conventions=tuple(sorted({s.convention for s in (*steps, *scopes)})),
        incomplete=frozenset(missing),
        feedback=verdicts.place(feedback, steps, (*scopes, *others)),
    )


def _traces(tree: Tree) -> tuple[str, ...]:
    """All trace ids in order of their first start."""
    first: dict[str, int] = {}
    for node in tree.down:
        step = node.step
        known = first.get(step.trace_id)
        if known is None or step.started_at < known:
            first[step.trace_id] = step.started_at
    return tuple(sorted(first, key=lambda trace: (first[trace], trace)))


def _span_of(tree: Tree, ordered: list[Node]) -> tuple[int, int]:
    told = [n.step for n in tree.down if is_scope(n)] + [n.step for n in ordered]
    told = told or [n.step for n in tree.down]
    if not told:
        return 0, 0
    return min(s.started_at for s in told), max(max(s.ended_at, s.started_at) for s in told)


def _by_start(nodes: Iterable[Node]) -> list[Node]:
    return sorted(nodes, key=lambda n: (n.step.started_at, n.depth, n.step.span_id))


def _said(tops: Iterable[Node]) -> tuple[Message, ...]:
    """A run without model spans still says at its end what it answered."""
    found: tuple[Message, ...] = ()
    for top in tops:
        found = top.get("output")[-1:] or found
    return found


class _First:
    """What the outermost span that says something says."""

    def __init__(
        self,
        tops: Iterable[Node],
        scopes: tuple[Step, ...],
        steps: tuple[Step, ...],
        others: tuple[Step, ...],
    ) -> None:
        outer = {(n.step.trace_id, n.step.span_id) for n in tops}
        roots = [s for s in others if s.parent_id is None and s.operation != "create_agent"]
        first = [s for s in scopes if (s.trace_id, s.span_id) in outer]
        rest = [s for s in scopes if (s.trace_id, s.span_id) not in outer]
        self._outer = [*first, *roots]
        self._scopes = scopes
        self._told = [*roots, *first, *rest, *steps]

    def of(self, field: str) -> str | None:
        return next((v for s in self._told if (v := getattr(s, field)) is not None), None)

    def cohort(self, keys: Iterable[str]) -> dict[str, str]:
        """A run in which no model answered belongs to the model that was asked."""
        found: dict[str, str] = {}
        for step in self._told:
            for key, value in step.cohort.items():
                found.setdefault(key, value)
        asked = self.of("model_requested")
        if "model" in keys and asked is not None:
            found.setdefault("model", asked)
        return found

    def agent(self) -> str | None:
        runs = (s.agent for s in self._scopes if s.kind is Kind.AGENT)
        return next((name for name in runs if name), None) or self.of("agent")

    def name(self) -> str:
        return next((s.name for s in (*self._outer, *self._told)), "")
