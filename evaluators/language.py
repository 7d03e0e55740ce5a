"""Which language a text is written in, as far as its script and small words show."""

import re
from collections import Counter

from evaluators.text import STOP_WORDS, WORD

SCRIPTS = {
    "arabic": (0x0600, 0x06FF),
    "bengali": (0x0980, 0x09FF),
    "cyrillic": (0x0400, 0x04FF),
    "devanagari": (0x0900, 0x097F),
    "greek": (0x0370, 0x03FF),
    "gujarati": (0x0A80, 0x0AFF),
    "gurmukhi": (0x0A00, 0x0A7F),
    "han": (0x4E00, 0x9FFF),
    "hangul": (0xAC00, 0xD7AF),
    "hebrew": (0x0590, 0x05FF),
    "kana": (0x3040, 0x30FF),
    "kannada": (0x0C80, 0x0CFF),
    "malayalam": (0x0D00, 0x0D7F),
    "tamil": (0x0B80, 0x0BFF),
    "telugu": (0x0C00, 0x0C7F),
    "thai": (0x0E00, 0x0E7F),
}
FIRST = chr(min(low for low, _ in SCRIPTS.values()))
WRITTEN_IN = {
    "arabic": "arabic",
    "persian": "arabic",
    "farsi": "arabic",
    "urdu": "arabic",
    "bengali": "bengali",
    "bulgarian": "cyrillic",
    "russian": "cyrillic",
    "ukrainian": "cyrillic",
    "hindi": "devanagari",
    "marathi": "devanagari",
    "nepali": "devanagari",
    "greek": "greek",
    "gujarati": "gujarati",
    "punjabi": "gurmukhi",
    "chinese": "han",
    "mandarin": "han",
    "korean": "hangul",
    "hebrew": "hebrew",
    "japanese": "kana",
    "kannada": "kannada",
    "malayalam": "malayalam",
    "tamil": "tamil",
    "telugu": "telugu",
    "thai": "thai",
}
SMALL_WORDS = {
    "english": "the and of to in is that for it with as was on are be this you have not",
    "german": "der die das und ist nicht ein eine zu den mit von für auf im dem sich auch es sie",
    "french": "le la les et est une des du pas que pour dans qui sur au avec ce vous nous il",
    "spanish": "el la los las y es una del que para con por no se su lo como más pero está",
    "italian": "il lo la gli e è un una di che per con non del della sono si come più nel",
    "portuguese": "o os as e é um uma do da que para com não em no na se por mais como você",
    "dutch": "de het een en is van niet dat met voor op te zijn aan ook als er maar je wij",
    "finnish": "ja on ei se että mutta ovat oli myös kun joka tai niin ole hän sen voi mitä",
    "swedish": "och det att är en som på inte med för av till den har jag ett om så men vi",
    "vietnamese": "và của là có không một được cho với trong này người các đã những để khi",
    "swahili": "na ya wa kwa ni katika za la kuwa hii cha huo yake pia kama watu sana au",
    "polish": "i w nie na się jest że do z to jak o co po ale są przez tak dla już",
    "turkish": "ve bir bu için ile de da çok olarak daha gibi olan ne en mi ama o ya var",
}
_WORDS = {name: frozenset(text.split()) for name, text in SMALL_WORDS.items()}
UNSPACED = tuple(SCRIPTS[name] for name in ("han", "hangul", "kana", "thai"))
KNOWN_SHARE = 0.3
NAMES = frozenset(WRITTEN_IN) | frozenset(SMALL_WORDS)
_LETTER = re.compile(r"[^\W\d_]")


def is_written_in(text: str, language: str) -> bool | None:
    """Whether a text is in that language; None when too short or the language is unknown."""
    letters = _LETTER.findall(text[:20_000])
    if len(letters) < 20:
        return None
    script = WRITTEN_IN.get(language.lower())
    if script is not None:
        low, high = SCRIPTS[script]
        return sum(low <= ord(c) <= high for c in letters) >= 0.4 * len(letters)
    if language.lower() not in _WORDS:
        return None
    return likeliest_language(text) == language.lower()


def likeliest_language(text: str) -> str | None:
    """The language whose small words are commonest; None for other scripts or too few words."""
    found = Counter(WORD.findall(text[:20_000].lower()))
    total = sum(found.values())
    counts = {name: sum(found[w] for w in small) for name, small in _WORDS.items()}
    best = max(counts, key=lambda name: counts[name])
    return best if total and counts[best] >= max(2, 0.08 * total) else None


def language_of(text: str) -> str | None:
    """The script of a text where it tells, else the likeliest language."""
    letters = _LETTER.findall(text[:20_000])
    far = [ord(c) for c in letters if c >= FIRST]  # few texts have any, and each script is counted
    for script, (low, high) in SCRIPTS.items():
        if far and sum(low <= c <= high for c in far) >= 0.4 * len(letters):
            return script
    return likeliest_language(text)


def is_unspaced(char: str) -> bool:
    """Whether a character is of a script in which no space parts a word from its neighbour."""
    return any(low <= ord(char) <= high for low, high in UNSPACED)


def knows_language(text: str) -> bool:
    """Whether a text is in a script or language of ours, as far as a short one can show it."""
    letters = _LETTER.findall(text[:20_000])
    if any(low <= ord(c) <= high for c in letters for low, high in SCRIPTS.values()):
        return True
    found = [w for w in WORD.findall(text[:20_000].lower()) if w.isalpha() or "'" in w or "’" in w]
    small = (_WORDS | {"english": _WORDS["english"] | STOP_WORDS}).values()
    return any(sum(w in known for w in found) >= KNOWN_SHARE * len(found) > 0 for known in small)
