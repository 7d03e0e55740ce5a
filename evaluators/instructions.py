"""Instructions that a machine can check, found in a prompt: what is asked, where, and the check."""

# ruff: noqa: E501  a pattern reads better whole

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, islice

from evaluators.language import NAMES, is_written_in
from evaluators.orders import is_negated, is_order
from evaluators.text import WORD, Span, sentences

NUMBERS = {
    word: n
    for n, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
        ]
    )
} | {"once": 1, "twice": 2, "a": 1, "an": 1, "fifteen": 15, "twenty": 20}
N = r"(\d+|" + "|".join(NUMBERS) + r")"
QUOTED = re.compile(r"[\"“”'‘’]([^\"“”\n]{1,60}?)[\"“”'‘’](?=\W|$)")
MORE = r"(?:at least|no (?:less|fewer) than|a minimum of|minimum(?: of)?)"
LESS = r"(?:less than|fewer than|under|below)"
MOST = r"(?:at most|no more than|not more than|a maximum of|maximum(?: of)?|up to|within|not exceed(?:ing)?)"
EXACT = r"(?:exactly|precisely)"

Check = Callable[[str], bool | None]


@dataclass(frozen=True, slots=True)
class Instruction:
    """One checkable instruction: its kind, the words that ask it, and its check of an answer.

    A check gives None when it cannot tell.
    """

    kind: str
    quote: str
    check: Check


@lru_cache(maxsize=256)
def find_instructions(prompt: str) -> tuple[Instruction, ...]:
    """The checkable instructions of a prompt, one of each kind and wording.

    Remembered for the latest prompts: all runs of an agent share theirs.
    """
    found: dict[tuple[str, str], Instruction] = {}
    prompt = prompt[:20_000]
    prompt = "\n".join(prompt.splitlines())
    lines = [(line, line.lower()) for line in prompt.split("\n")]
    starts = list(accumulate((len(line) + 1 for line, _ in lines), initial=0))
    for kind, pattern, build in RULES:
        wanted = _where_hinted(kind, lines)
        text = "\n".join(lines[n][0] for n in wanted)
        for match in islice(pattern.finditer(text), MOST_OF_A_KIND):
            check = build(match, prompt if kind in WHOLE_PROMPT else text)
            if check is None:
                continue
            line = wanted[text.count("\n", 0, match.start())]
            start = starts[line] + match.start() - (text.rfind("\n", 0, match.start()) + 1)
            if not is_order(prompt, start, start + len(match.group())):
                continue
            words = " ".join(match.group().split())
            if kind not in OWN_NEGATION and is_negated(prompt, start):
                check, words = _negation(check), f"not: {words}"
            found.setdefault((kind, words), Instruction(kind, words, check))
    return tuple(found.values())


MOST_OF_A_KIND = 500  # each is looked at in its sentence, half a millisecond long
WHOLE_PROMPT = ("repeat", "sections")
OWN_NEGATION = ("no_comma", "forbidden_words", "lowercase")


def _where_hinted(kind: str, lines: Sequence[tuple[str, str]]) -> list[int]:
    """The lines that may hold an instruction of a kind, each with the two after it."""
    hints = HINTS[kind]
    found = [n for n, (_, lower) in enumerate(lines) if any(hint in lower for hint in hints)]
    return sorted({m for n in found for m in (n, n + 1, n + 2) if m < len(lines)})


def _negation(check: Check) -> Check:
    def negated(answer: str) -> bool | None:
        kept = check(answer)
        return None if kept is None else not kept

    return negated


def _number(text: str) -> int:
    return int(text) if text.isdigit() else NUMBERS[text.lower()]


def _amount(match: re.Match[str], count: Callable[[str], int]) -> Check | None:
    """A check of an amount from the named groups more, less, most, exact, or `n or more`."""
    for name, holds in BOUNDS.items():
        found = match.groupdict().get(name)
        if found:
            bound = _number(found)
            return lambda answer: holds(count(answer), bound)
    return None


BOUNDS: dict[str, Callable[[int, int], bool]] = {
    "more": lambda n, bound: n >= bound,
    "above": lambda n, bound: n > bound,
    "less": lambda n, bound: n < bound,
    "most": lambda n, bound: n <= bound,
    "exact": lambda n, bound: n == bound,
}


def _bounded(unit: str, *, bare: bool = False) -> str:
    """A pattern for `at least 3 UNIT`, `3 or more UNIT`, `under 3 UNIT` and their kin."""
    n = N[1:-1]
    adjective = r"(?:\w+ )?"
    forms = [
        rf"{MORE}\s+(?P<more>{n})\s+{adjective}{unit}",
        rf"{LESS}\s+(?P<less>{n})\s+{adjective}{unit}",
        rf"(?<!no )(?<!not )more than\s+(?P<above>{n})\s+{adjective}{unit}",
        rf"{MOST}\s+(?P<most>{n})\s+{adjective}{unit}",
        rf"{EXACT}\s+(?P<exact>{n})\s+{adjective}{unit}",
    ]
    text = "|".join(forms)
    return rf"(?:{text})" if not bare else rf"(?:{text}|(?P<exact2>{n})\s+{unit})"


def _words(answer: str) -> int:
    return len(re.findall(r"\S*\w\S*", answer))


def _sentence_count(answer: str) -> int:
    return sum(1 for _ in sentences(answer))


def _paragraphs(answer: str) -> int:
    parts = re.split(r"\n\s*\*\*\*\s*\n" if "***" in answer else r"\n\s*\n", answer.strip())
    return sum(1 for p in parts if p.strip(" \n*"))


def _bullets(answer: str) -> int:
    return len(re.findall(r"^\s*(?:[-*•+]\s|\d+[.)]\s)", answer, re.MULTILINE))


def _items(answer: str) -> int:
    return max(_bullets(answer), 0)


def _highlights(answer: str) -> int:
    return len(re.findall(r"\*\*[^*\n]+\*\*|\*[^*\n]+\*", answer))


def _placeholders(answer: str) -> int:
    return len(re.findall(r"\[[^\[\]\n]+\]", answer))


def _capitals(answer: str) -> int:
    return sum(1 for w in WORD.findall(answer) if w.isupper() and any(c.isalpha() for c in w))


def _sections(mark: str) -> Callable[[str], int]:
    return lambda answer: len(re.findall(rf"(?i)\b{re.escape(mark)}\s*\.?\s*\d+", answer))


def _occurrences(word: str) -> Callable[[str], int]:
    pattern = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
    return lambda answer: len(pattern.findall(answer))


def _listed_words(match: re.Match[str], prompt: str) -> list[str]:
    """The words an instruction names: quoted ones, or the bare ones of its list."""
    tail = prompt[match.end() : match.end() + 240]
    tail = re.split(r"\n|\.\s+[A-Z]|\.$", tail, maxsplit=1)[0]
    quoted = QUOTED.findall(tail)
    if quoted:
        return [q.strip(" .,") for q in quoted]
    bare = re.match(r"[:\s]*\[?((?:[a-z][\w-]*)(?:\s*(?:,|and|or|&)+\s*[a-z][\w-]*)*)", tail)
    if bare is None:
        return []
    return [w for w in re.split(r"[\s,&]+", bare.group(1)) if w not in ("and", "or", "in", "the")][
        :6
    ]


def _must_contain(match: re.Match[str], prompt: str) -> Check | None:
    listed = _listed_words(match, prompt)
    if not listed:
        return None
    counters = [_occurrences(w) for w in listed]
    return lambda answer: all(count(answer) > 0 for count in counters)


def _must_not_contain(match: re.Match[str], prompt: str) -> Check | None:
    listed = _listed_words(match, prompt)
    if not listed:
        return None
    counters = [_occurrences(w) for w in listed]
    return lambda answer: not any(count(answer) for count in counters)


def _word_frequency(match: re.Match[str], prompt: str) -> Check | None:
    return _amount(match, _occurrences(match["word"].strip("\"'“”‘’")))


def _letter_frequency(match: re.Match[str], prompt: str) -> Check | None:
    letter = match["letter"].lower()
    return _amount(match, lambda answer: answer.lower().count(letter))


def _title(match: re.Match[str], prompt: str) -> Check:
    return lambda answer: bool(re.search(r"<<[^\n<>]+>>", answer))


def _json(match: re.Match[str], prompt: str) -> Check:
    return is_json


def is_json(answer: str) -> bool:
    """Whether the whole answer is one JSON value, markdown fences aside."""
    body = re.sub(r"^\s*```\w*\s*\n?|\n?\s*```\s*$", "", answer.strip())
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def _language(match: re.Match[str], prompt: str) -> Check | None:
    name = next(g for g in match.groups() if g).lower()
    if name not in NAMES:
        return None
    return lambda answer: is_written_in(answer, name)


def _starts(match: re.Match[str], prompt: str) -> Check | None:
    phrase = match["phrase"].strip()
    return lambda answer: answer.strip().lower().startswith(phrase.lower())


def _ends(match: re.Match[str], prompt: str) -> Check | None:
    phrase = (match["phrase"] or "").strip(" \n\"“”'")
    if not phrase:
        return None
    return lambda answer: answer.strip().strip("\"'*” ").lower().endswith(phrase.lower())


def _paragraph_start(match: re.Match[str], prompt: str) -> Check | None:
    word = match["word"].strip("\"'“”").lower()
    which = (match["nth"] or match["nth2"] or "first").lower()
    places = {"first": 0, "second": 1, "third": 2, "fourth": 3, "fifth": 4, "last": -1}
    place = places.get(which, int(which) - 1 if which.isdigit() else 0)

    def check(answer: str) -> bool | None:
        parts = [p.strip() for p in re.split(r"\n\s*\n", answer.strip().strip('"')) if p.strip()]
        if len(parts) <= max(place, 0):
            return False
        return parts[place].lower().lstrip("\"'*“ ").startswith(word)

    return check


def _repeats(match: re.Match[str], prompt: str) -> Check | None:
    """The first sentence of the request must open the answer."""
    first = next(sentences(prompt), Span("", 0, 0)).text
    start = " ".join(first.split())[:60].lower()
    return lambda answer: start in " ".join(answer.split()).lower()[: len(start) + 40]


def _options(match: re.Match[str], prompt: str) -> Check | None:
    tail = prompt[match.end() : match.end() + 200]
    found = re.findall(r"[A-Z][^.\n\"”“,]*\.", tail) or QUOTED.findall(tail)
    return (lambda answer: any(option in answer for option in found)) if found else None


def _postscript(match: re.Match[str], prompt: str) -> Check:
    mark = match["mark"].lower().rstrip(".")
    return lambda answer: mark in answer.lower()


def _plain(check: Check) -> Callable[[re.Match[str], str], Check | None]:
    return lambda match, prompt: check


def _counted(count: Callable[[str], int]) -> Callable[[re.Match[str], str], Check | None]:
    return lambda match, prompt: _amount(match, count)


def _section_count(match: re.Match[str], prompt: str) -> Check | None:
    mark = re.search(
        r"(?:beginning of each[\w ]*with|label(?:ed)?[\w ]*(?:as|with)|marked with)\s+[\"“']?(\w+) X\b",
        prompt,
        re.IGNORECASE,
    )
    return _amount(match, _sections(mark.group(1))) if mark else None


def _is_lower(answer: str) -> bool:
    return answer == answer.lower()


def _is_upper(answer: str) -> bool:
    return answer == answer.upper()


def _is_quoted(answer: str) -> bool:
    body = answer.strip()
    return len(body) > 1 and body[0] in '"“' and body[-1] in '"”'


def _two_answers(answer: str) -> bool:
    return sum(1 for part in answer.split("******") if part.strip()) == 2


def _rule(
    kind: str, pattern: str, build: Callable[[re.Match[str], str], Check | None]
) -> tuple[str, re.Pattern[str], Callable[[re.Match[str], str], Check | None]]:
    return kind, re.compile(pattern, re.IGNORECASE), build


NO = r"(?:do not|don['’]t|must not|should not|not allowed to|never|without|avoid|refrain from|no|not|cannot|can['’]t|and not)"
USE = r"(?:use|using|include|including|contain|containing|mention|mentioning|say|saying|write|have)"
WORDY = r"(?:the )?(?:following )?(?:key ?words?|words?|phrases?|terms?)"
TIMES = r"(?:times?)"
_N = N[1:-1]
FREQUENCY = (
    rf"(?:{MORE} (?P<more>{_N})|(?:{LESS}) (?P<less>{_N})|{MOST} (?P<most>{_N})"
    rf"|{EXACT} (?P<exact>{_N}))(?: {TIMES})?"
)
HINTS: Mapping[str, tuple[str, ...]] = {
    "no_comma": ("comma",),
    "forbidden_words": ("word", "phrase", '"', "“", "'"),
    "word_count": ("word",),
    "sentence_count": ("sentence",),
    "word_frequency": ("word",),
    "keywords": ("word", "phrase", "term"),
    "letter_frequency": ("letter",),
    "repeat": ("repeat",),
    "lowercase": ("lower", "capital"),
    "title": ("angular", "<<"),
    "quoted": ("double quot",),
    "highlights": ("highlight", "markdown"),
    "language": ("language", "entire", "respond", "reply", "answer", "write", "speak"),
    "bullets": ("bullet",),
    "placeholders": ("placeholder",),
    "two_responses": ("asterisk", "******"),
    "capital_words": ("capital", "caps"),
    "uppercase": ("capital", "caps", "upper", "lower"),
    "json": ("json",),
    "postscript": ("script",),
    "paragraphs": ("paragraph", "section"),
    "sections": ("section", "parts", "paragraph", "days", "chapter"),
    "end": ("end", "finish", "close", "conclude"),
    "start": ("start", "begin"),
    "paragraph_start": ("paragraph",),
    "options": ("following", "one of", "exact phrase"),
}
RULES = (
    _rule(
        "no_comma",
        rf"\b{NO} (?:(?:\w+ ){{0,3}})commas?\b|\bcommas? (?:is|are) not allowed"
        r"|\bshould be no commas?\b",
        _plain(lambda a: "," not in a),
    ),
    _rule(
        "forbidden_words",
        rf"\b{NO} (?:{USE} )?(?:any (?:of )?)?(?:the )?(?!other |additional |extra )(?:\w+ )?(?:key ?words?|words?|phrases?)\b(?! (?:or characters|in all|count|before|after|should|in your))"
        rf"|\b{NO} (?:include|use|mention|say|contain)\w* (?=[\"“'])"
        r"|\bexclude (?:the )?(?:key ?words?|words?)|\bforbidden words?:?",
        _must_not_contain,
    ),
    _rule(
        "word_count",
        r"\b" + _bounded(r"words?\b") + r"(?! in (?:all|the)| with all)",
        _counted(_words),
    ),
    _rule(
        "word_count",
        rf"(?P<more>{_N})\s+(?:or more|\+) words|(?P<most>\d+) words or (?:less|fewer)",
        _counted(_words),
    ),
    _rule("sentence_count", r"\b" + _bounded("sentences?"), _counted(_sentence_count)),
    _rule("sentence_count", rf"(?P<more>{_N})\s+or more sentences", _counted(_sentence_count)),
    _rule(
        "sentence_count",
        rf"\b(?:in|with|of|to) (?P<exact>{_N}) (?:short )?sentences?\b",
        _counted(_sentence_count),
    ),
    _rule(
        "word_frequency",
        r"\bwords? (?P<word>(?!should|must)[\"“'‘]?[\w-]+[\"”'’]?) (?:should |must |to )?(?:appears? )?"
        r"(?:in (?:your|the) (?:response|answer) )?(?:for )?" + FREQUENCY,
        _word_frequency,
    ),
    _rule(
        "keywords",
        rf"(?<!no )(?<!not )(?<!n't )(?<!without )\b(?:include|including|contain|use|using|mention) {WORDY}\b(?! with| in all)(?! (?:[\"“']?[\w-]+[\"”']? )(?:for )?(?:at least|less|at most|exactly))",
        _must_contain,
    ),
    _rule(
        "letter_frequency",
        r"\bletter (?P<letter>[\"“'‘]?\w|#)[\"”'’]? (?:should |must )?(?:appears? )?(?:in (?:your|the) \w+ )?"
        + FREQUENCY,
        _letter_frequency,
    ),
    _rule(
        "repeat",
        r"\brepeat (?:the (?:entire )?request|all (?:the )?text|the (?:sentence|text|prompt|question))(?: above)?",
        _repeats,
    ),
    _rule(
        "lowercase",
        r"\b(?:all|only)(?: in)? (?:english )?lower ?case|\blower ?case letters only|(?<!no )\bin lower ?case|"
        r"\b(?:no|any|without (?:using )?(?:any )?) ?capital letters|\bin lowercases\b|\bletters (?:are )?lower ?cased?\b"
        r"|(?<!no )(?<!contain )\blower ?case (?:english )?letters(?! allowed)",
        _plain(_is_lower),
    ),
    _rule(
        "title",
        r"\b(?:title|name|poem|titled?)[^.\n]{0,60}double angular brackets|<<[\w ]+>>",
        _title,
    ),
    _rule("quoted", r"\bdouble (?:quotations?(?: marks?)?|quotes)\b", _plain(_is_quoted)),
    _rule(
        "highlights",
        r"\b"
        + _bounded(
            r"(?:\w+ )?(?:sections?|parts?|words?|phrases?)[^.\n]{0,60}(?:highlight|markdown|\*\w)"
        ),
        _counted(_highlights),
    ),
    _rule("highlights", rf"\bhighlight {MORE} (?P<more>{_N})", _counted(_highlights)),
    _rule(
        "language",
        r"\b(?:entirely |only |respond |reply |answer |write |response |written )?(?:in|use|using)(?: only)?(?: the)? (\w+)(?: language)?,? (?:only|no other language)"
        r"|\b(?:respond|reply|answer|write (?:your (?:response|answer|reply))?|speak)(?: only)?(?: entirely)? in (?:the )?([A-Z]\w+)\b"
        r"|\bentire (?:response|answer|reply|output) (?:should|must|needs to|has to) be in (?:the )?(\w+)"
        r"|\bonly (?:in )?(?:the )?(\w+)(?: language)? (?:is|are) allowed"
        r"|\b(?:only|entirely)(?: in)? (?:the )?([A-Z]\w+) language",
        _language,
    ),
    _rule(
        "bullets",
        r"\b"
        + _bounded(r"(?:markdown |short |very short )?bullet(?:ed)?(?: points?| lists?| items?)?"),
        _counted(_bullets),
    ),
    _rule(
        "bullets",
        rf"\b(?:in|with|using|have|contain|provide|list) (?P<exact>{_N}) (?:markdown |short )?bullet points?",
        _counted(_bullets),
    ),
    _rule("placeholders", r"\b" + _bounded(r"placeholders?"), _counted(_placeholders)),
    _rule("two_responses", r"(?:6|six) asterisk|\*{6}", _plain(_two_answers)),
    _rule(
        "capital_words",
        r"words?(?: \w+)? (?:in|with) all (?:capital letters|caps)[^.\n]{0,40}? "
        + FREQUENCY
        + rf"|{MORE} (?P<more2>{_N}) words? (?:in|with) all (?:capital|caps)",
        _counted(_capitals),
    ),
    _rule(
        "uppercase",
        r"(?<!words in )(?<!words with )\ball(?: in)? (?:capital letters|caps|uppercase)|\bonly capital letters|\bentire(?:ly)? (?:\w+ ){0,4}in (?:capital|uppercase)|\bno lower ?case",
        lambda match, prompt: (
            None
            if re.search(
                r"words?\W+(?:\w+\W+){0,3}$",
                prompt[max(0, match.start() - 30) : match.start()],
                re.IGNORECASE,
            )
            else _is_upper
        ),
    ),
    _rule("json", r"\bJSON (?:format|block|object|only)|\b(?:in|as|valid|only) JSON\b", _json),
    _rule(
        "postscript",
        r"\bpost ?script[^.\n]{0,40}?(?P<mark>P\.P\.S|P\.S\.?)",
        _postscript,
    ),
    _rule(
        "paragraphs",
        r"\b" + _bounded(r"(?:paragraphs?|sections?)(?=[^\n]{0,120}(?:\*\*\*|separated?))"),
        _counted(_paragraphs),
    ),
    _rule("paragraphs", rf"\b{EXACT} (?P<exact>{_N}) paragraphs?", _counted(_paragraphs)),
    _rule(
        "sections",
        rf"\b(?:{MORE} (?P<more>{_N})|(?:have|has|contain|with|into|write|in)? ?(?P<exact>{_N})) (?:different )?(?:sections|parts|paragraphs|days|chapters)\b",
        _section_count,
    ),
    _rule(
        "end",
        r"\b(?:end|finish|close|conclude)(?: \w+){0,5}? (?:with|by saying)(?: \w+){0,4}?[: ]*\s*[\"“'](?P<phrase>[^\"”\n]+)[\"”']",
        _ends,
    ),
    _rule(
        "start",
        r"\b(?:start|begin)(?: your (?:response|answer|reply))? with(?: the (?:word|phrase|exact phrase))? [\"“](?P<phrase>[^\"”\n]+)[\"”]",
        _starts,
    ),
    _rule(
        "paragraph_start",
        r"\b(?:(?P<nth>first|second|third|fourth|fifth|last) paragraph (?:must |should )?(?:starts?|begins?) with|(?:start|begin)(?:ning)? (?:the )?paragraph (?P<nth2>\d) with|paragraph \d must start with)(?: the)?(?: first)?(?: word)? (?P<word>[\"“']?[\w-]+)",
        _paragraph_start,
    ),
    _rule(
        "options",
        r"\b(?:one of the following(?: exact)?(?: \w+)?|choose from(?: the following)?|exact(?:ly)? one of|exact phrases?)[^:\n(]{0,40}[:(]",
        _options,
    ),
)
