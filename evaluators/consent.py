"""Whether a user's words agree to what was proposed, in the languages we know."""

# ruff: noqa: E501  a pattern reads better whole

import re
from collections.abc import Iterator
from enum import Enum, auto

from evaluators.language import knows_language

CLAUSE = re.compile(r"[^.!?…;,\n。！？、，،؟।]+[.!?…;,\n。！？、，،؟।]*")
LEAD = r"(?:(?:oh|ah|um|hmm?|well|so|then|and|but|actually|great|perfect|please|i mean|thanks|thank you|hi|hello|wait|alright|that's) )*"
CLEAR = re.compile(
    r"\b(?:yes|yeah|yep|yup|confirm(?:ed)?|agreed?|approved?|consent|proceed|go (?:right )?ahead"
    r"|go for it|do (?:it|so|that)|please do|by all means|affirmative)\b",
    re.IGNORECASE,
)
MILD = re.compile(
    rf"^{LEAD}(?:sure|ok(?:ay)?|k|ya|yea|alright|all right|absolutely|definitely|certainly|of course"
    r"|exactly|correct|right|fine|no (?:problem|worries|objections?))\b"
    r"|\b(?:is|are|'s|all|looks?|sounds?|seems?) (?:(?:all|perfectly|absolutely|just|quite) )?(?:right|fine|ok(?:ay)?|good|great|correct|perfect|accurate)\b"
    r"|\bworks for me\b|\bthat works\b|\bhappy with (?:that|this|it)\b",
    re.IGNORECASE,
)
REFUSED = re.compile(
    rf"^{LEAD}(?:no|nope|nah|no way|no thanks?(?: you)?|not (?:yet|now|really|so fast)|stop(?: it| that)?|wait"
    r"(?: a (?:moment|minute|second))?|hold on)\W*$"
    r"|\b(?:never ?mind|forget (?:it|that|about it)|changed my mind)\b",
    re.IGNORECASE,
)
DOUBTED = re.compile(
    r"\b(?:not (?:\w+ )?sure|unsure|rather|think about it|let me (?:think|check|see)|maybe later"
    r"|hold off)\b",
    re.IGNORECASE,
)
DENIED = re.compile(r"(?:\b(?:not|never|no|cannot|without)|n't) (?:\S+ ){0,3}$", re.IGNORECASE)
# A request in the form of a question, and a yes that is followed by one.
POLITE = re.compile(
    r"\b(?:can|could|would|will) you (?:\w+ ){0,2}(?:go (?:right )?ahead|proceed)\b"
    rf"|^{LEAD}(?:yes|yeah|yep) \w",
    re.IGNORECASE,
)
ASKED = re.compile(
    r"\b(?:whether|if|unless|until|before|how|what|why|when|which|who|(?:can|could|should|shall|do|does|did|will|would|is|are) (?:i|you|we|it|that|this|there))\b[^\n]*$",
    re.IGNORECASE,
)
HANDS = {"👍": True, "👌": True, "✅": True, "🆗": True, "👎": False, "❌": False, "🛑": False}
# By language, what begins a clause that agrees, and what begins one that does not. English has
# its own patterns above: in it, more is known of how the words are undone.
WORDS = {
    "german": (
        "ja jawohl klar gerne einverstanden genau richtig passt bestätigt natürlich in_ordnung mach_das machen_sie_das nur_zu ich_bestätige ich_stimme_zu",
        "nein nee nö nicht noch_nicht doch_nicht lieber_nicht warte warten_sie stopp halt",
    ),
    "french": (
        "oui ouais d'accord allez-y vas-y bien_sûr parfait exact c'est_bon je_confirme entendu volontiers",
        "non pas ne attends attendez arrêtez arrête",
    ),
    "spanish": (
        "sí si_por_favor claro adelante vale de_acuerdo correcto confirmo confirmado hazlo hágalo perfecto por_supuesto",
        "todavía_no aún_no espera espere mejor_no",
    ),
    "italian": (
        "sì certo va_bene d'accordo procedi proceda confermo esatto perfetto volentieri",
        "non aspetta aspetti meglio_di_no",
    ),
    "portuguese": (
        "sim claro pode_ser está_bem tudo_bem de_acordo confirmo confirmado pode_prosseguir prossiga certo com_certeza",
        "não nao ainda_não espera espere melhor_não",
    ),
    "dutch": (
        "ja jazeker zeker prima akkoord graag klopt doe_maar is_goed ga_je_gang natuurlijk",
        "nee niet nog_niet wacht liever_niet",
    ),
    "finnish": ("kyllä joo juu selvä sopii hyväksyn vahvistan ole_hyvä", "ei odota älä"),
    "swedish": (
        "ja javisst visst absolut gärna kör det_går_bra godkänner bekräftar stämmer",
        "nej inte vänta",
    ),
    "vietnamese": ("có vâng đồng_ý được dạ đúng xác_nhận", "không chưa khoan đừng"),
    "swahili": ("ndiyo ndio sawa endelea nakubali", "hapana subiri usi"),
    "polish": (
        "tak jasne zgoda zgadzam_się dobrze proszę_bardzo potwierdzam oczywiście",
        "nie jeszcze_nie poczekaj",
    ),
    "turkish": ("evet tamam olur onaylıyorum tabii elbette kabul", "hayır değil bekle henüz"),
    "arabic": ("نعم أجل موافق حسنا تمام أوافق", "لا ليس انتظر"),
    "persian": ("بله آره باشه موافقم حتما", "نه خیر صبر"),
    "urdu": ("ہاں جی ٹھیک", "نہیں رکو"),
    "bengali": ("হ্যাঁ ঠিক_আছে", "না"),
    "bulgarian": ("да добре съгласен съгласна потвърждавам", "не чакай"),
    "russian": (
        "да конечно хорошо согласен согласна подтверждаю давай давайте ладно",
        "нет не подожди подождите стоп",
    ),
    "ukrainian": ("так добре звичайно згоден згодна підтверджую", "ні не зачекай зачекайте"),
    "hindi": ("हाँ हां जी ठीक_है बिल्कुल", "नहीं मत रुको रुकिए"),
    "marathi": ("हो होय ठीक_आहे", "नाही नको थांबा"),
    "nepali": ("हो हुन्छ ठीक_छ", "होइन हुँदैन पर्ख"),
    "greek": ("ναι εντάξει βεβαίως φυσικά συμφωνώ επιβεβαιώνω", "όχι μη περίμενε"),
    "gujarati": ("હા બરાબર ઠીક_છે", "ના નહીં"),
    "punjabi": ("ਹਾਂ ਠੀਕ_ਹੈ", "ਨਹੀਂ ਨਾ"),
    "korean": (
        "네 예 응 좋아요 좋습니다 그래요 그렇게_해_주세요 그렇게_하세요 진행해_주세요 동의합니다 확인했습니다",
        "아니 아니요 아뇨 잠깐 잠깐만요 하지_마세요 안_돼요",
    ),
    "hebrew": ("כן בסדר אישור מאשר מאשרת מסכים מסכימה", "לא רגע חכה"),
    "kannada": ("ಹೌದು ಸರಿ", "ಇಲ್ಲ ಬೇಡ"),
    "malayalam": ("അതെ ശരി", "അല്ല വേണ്ട ഇല്ല"),
    "tamil": ("ஆம் ஆமாம் சரி", "இல்லை வேண்டாம்"),
    "telugu": ("అవును సరే", "కాదు వద్దు లేదు"),
}
# Scripts without spaces: a clause agrees as a whole, give or take a courtesy at its end.
UNSPACED = (
    re.compile(
        r"^\s*(?:はい|ええ|うん|了解(?:です|しました)?|承知(?:しました)?|同意(?:します|する)|確認しました|大丈夫です|問題ありません"
        r"|お願い(?:します|いたします|致します)|(?:それで|その通り)(?:です|お願いします)?|好的?|是的?|可以|行|同意|确认|確認|没问题|沒問題|当然|當然|对|對"
        r"|ใช่|ตกลง|ได้|ยืนยัน|โอเค)(?:です|ね|よ|吧|啊|呀|的|了|请|請|谢谢|謝謝|ค่ะ|ครับ|คะ|เลย)*\W*$"
    ),
    re.compile(
        r"^\s*(?:いいえ|いや|やめ|待っ|ちょっと待|まだ|不|别|別|等|先不|算了|没有|ไม่|อย่า|รอ|เดี๋ยว)"
    ),
)


class Said(Enum):
    """What one clause says to a proposal."""

    CLEAR_YES = auto()
    MILD_YES = auto()
    DOUBT = auto()
    NO = auto()


def consents(text: str) -> bool | None:
    """Whether a user agrees and does not take it back; None in a language that is not known."""
    said = [word for clause in _clauses(text) if (word := _read(clause)) is not None]
    decisive = [word for word in said if word in (Said.CLEAR_YES, Said.NO)]
    if decisive:
        return decisive[-1] is Said.CLEAR_YES
    if said:
        return Said.DOUBT not in said
    return False if knows_language(text) else None


def _clauses(text: str) -> Iterator[str]:
    for match in CLAUSE.finditer(text[:10_000].replace("’", "'")):
        if match.group().strip():
            yield match.group().strip()


def _read(clause: str) -> Said | None:
    hand = next((agrees for sign, agrees in HANDS.items() if sign in clause), None)
    if hand is not None:
        return Said.CLEAR_YES if hand else Said.NO
    if clause.endswith(("?", "？", "؟")):
        return Said.CLEAR_YES if POLITE.search(clause) else None
    if REFUSED.search(clause):
        return Said.NO
    if DOUBTED.search(clause):
        return Said.DOUBT
    for pattern, word in ((CLEAR, Said.CLEAR_YES), (MILD, Said.MILD_YES)):
        for match in pattern.finditer(clause):
            if DENIED.search(clause[: match.start()]):
                return Said.NO
            if not ASKED.search(clause[: match.start()]):
                return word
    return _read_elsewhere(clause.lower())


def _read_elsewhere(clause: str) -> Said | None:
    """What a clause says that is not English."""
    yes, no = UNSPACED
    if no.search(clause) or OTHER_NO.match(clause):
        return Said.NO
    return Said.CLEAR_YES if yes.search(clause) or OTHER_YES.match(clause) else None


def _beginning(column: int) -> re.Pattern[str]:
    found = {w.replace("_", " ") for words in WORDS.values() for w in words[column].split()}
    longest = sorted(found, key=len, reverse=True)
    return re.compile(rf"\W*(?:{'|'.join(map(re.escape, longest))})(?!\w)")


OTHER_YES, OTHER_NO = _beginning(0), _beginning(1)
