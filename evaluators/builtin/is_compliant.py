"""What an agent does and says must keep the policy it was given."""

from evaluators.evaluator import evaluator
from evaluators.policy import Policy, applies, breaches, undecided
from evaluators.surroundings import ALONE, Surroundings
from waypost.records import Kind, Score, Step


@evaluator(version=2, kinds=(Kind.LLM, Kind.TOOL))
def is_compliant(
    step: Step, around: Surroundings = ALONE, *, policy: Policy | None = None
) -> Score | None:
    """Fail when a step breaks a checkable rule of its policy, and name the rule."""
    if policy is None:
        return Score.abstained("no policy is set for this step")
    if not policy.rules:
        return Score.abstained(f"policy {policy.name} has no rule that a machine can check")
    mine = [rule for rule in policy.rules if applies(rule, step)]
    if not mine:
        return None
    broken = list(breaches(mine, step, around))
    open_rules = undecided(mine, step, around)
    if not broken and open_rules:
        return Score.abstained(f"{open_rules[0].id}: whether the user agreed cannot be read")
    if not broken:
        return Score.passed(f"{len(mine)} rules of {policy.name} {policy.version} kept")
    first = broken[0]
    return Score.failed(
        f"{policy.name} {policy.version}, {first.rule.id}: {first.why}",
        value=1 - len(broken) / len(mine),
        label=first.rule.id,
        evidence=tuple(breach.evidence for breach in broken[:5]),
    )
