"""How many of the instructions that a prompt really holds are found, and how many are imagined."""

from pathlib import Path

from benchmarks.evaluators.measured import Figures
from benchmarks.evaluators.metrics import wilson
from evaluators.instructions import find_instructions
from tests.unit.evaluators.trajectories import read_rows

KINDS = {
    "punctuation:no_comma": "no_comma",
    "keywords:forbidden_words": "forbidden_words",
    "length_constraints:number_words": "word_count",
    "length_constraints:number_sentences": "sentence_count",
    "keywords:frequency": "word_frequency",
    "combination:repeat_prompt": "repeat",
    "change_case:english_lowercase": "lowercase",
    "keywords:existence": "keywords",
    "detectable_format:title": "title",
    "startend:quotation": "quoted",
    "detectable_format:number_highlighted_sections": "highlights",
    "language:response_language": "language",
    "keywords:letter_frequency": "letter_frequency",
    "detectable_format:number_bullet_lists": "bullets",
    "detectable_content:number_placeholders": "placeholders",
    "combination:two_responses": "two_responses",
    "change_case:capital_word_frequency": "capital_words",
    "change_case:english_capital": "uppercase",
    "detectable_format:json_format": "json",
    "detectable_content:postscript": "postscript",
    "length_constraints:number_paragraphs": "paragraphs",
    "startend:end_checker": "end",
    "detectable_format:multiple_sections": "sections",
    "length_constraints:nth_paragraph_first_word": "paragraph_start",
    "detectable_format:constrained_response": "options",
}


def measure_instructions(root: Path) -> Figures:
    """Precision and recall of finding the kinds of instruction each prompt is labelled with."""
    hits = found = wanted = prompts = 0
    for row in read_rows("ifeval_prompts", root):
        labelled = {KINDS[i] for i in row["meta"]["instruction_id_list"] if i in KINDS}
        seen = {i.kind for i in find_instructions(row["input"])}
        hits += len(labelled & seen)
        found, wanted, prompts = found + len(seen), wanted + len(labelled), prompts + 1
    return Figures(
        evaluator="prompt_adherence",
        set="ifeval_prompts (finding instructions)",
        slice="",
        n=prompts,
        flagged=wanted,
        abstained=0,
        auroc=None,
        precision=wilson(hits, found),
        recall=wilson(hits, wanted),
        false_alarms=None,
        honest="nothing fitted; patterns were written with these prompts in view",
        note="counted by kind of instruction",
    )
