"""What secrets and personal data look like: the expressions behind `waypost.redact`."""

import re
from typing import Final

# Vendors' keys by how they begin. All are unbroken words of at least twenty characters.
VENDORS: Final = (
    r"sk-(?:proj-|ant-|or-|lf-|svcacct-|admin-)?[A-Za-z0-9_-]{17,}",  # OpenAI, Anthropic, …
    r"pk-lf-[A-Za-z0-9-]{16,}",  # Langfuse
    r"(?:lsv2_(?:pt|sk)_|ls__)[A-Za-z0-9_]{16,}",  # LangSmith
    r"(?:AKIA|ASIA)[A-Z0-9]{16}",  # AWS
    r"AIza[A-Za-z0-9_-]{35}",  # Google
    r"(?:ya29\.|GOCSPX-)[A-Za-z0-9_.-]{16,}",  # Google OAuth
    r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}",  # GitHub
    r"gl(?:pat|dt|rt)-[A-Za-z0-9_-]{16,}",  # GitLab
    r"(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{15,}",  # Slack
    r"[sr]k_(?:live|test)_[A-Za-z0-9]{12,}|whsec_[A-Za-z0-9+/=]{16,}",  # Stripe
    r"(?:SK|AC)[0-9a-f]{32}",  # Twilio
    r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",  # SendGrid
    r"key-[0-9a-f]{32}",  # Mailgun
    r"npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{30,}",
    r"hf_[A-Za-z0-9]{20,}",  # Hugging Face
    r"gsk_[A-Za-z0-9]{20,}",  # Groq
    r"r8_[A-Za-z0-9]{20,}",  # Replicate
    r"(?:xai|pplx|tvly)-[A-Za-z0-9_-]{16,}",  # xAI, Perplexity, Tavily
    r"pcsk_[A-Za-z0-9_]{16,}",  # Pinecone
    r"dapi[0-9a-f]{32}",  # Databricks
    r"do[opr]_v1_[0-9a-f]{32,}",  # DigitalOcean
    r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",  # Shopify
    r"sq0[a-z]{3}-[A-Za-z0-9_-]{22,}",  # Square
    r"(?:ntn|secret)_[A-Za-z0-9]{32,}",  # Notion
    r"lin_api_[A-Za-z0-9]{20,}",  # Linear
    r"(?:hvs\.|dp\.(?:pt|st|ct)\.)[A-Za-z0-9_-]{20,}",  # Vault, Doppler
    r"(?:glsa|sntrys)_[A-Za-z0-9_+/=]{20,}",  # Grafana, Sentry
    r"(?:NRAK|PMAK)-[A-Za-z0-9-]{20,}",  # New Relic, Postman
    r"AT[AC]TT3[A-Za-z0-9_=-]{20,}",  # Atlassian
    r"AA[A-Za-z0-9_-]{32,34}(?<=[0-9]{8}:AA[A-Za-z0-9_-]{32})",  # Telegram
)
# A key may stand right behind the \\n of a repr or of JSON that was cut.
VENDOR: Final = re.compile(rf"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))(?:{'|'.join(VENDORS)})")
# How all of these begin; comparing beginnings is many times faster than trying each expression.
VENDOR_STARTS: Final = (
    *("sk-", "pk-lf-", "lsv2_", "ls__", "AKIA", "ASIA", "AIza", "ya29.", "GOCSPX-", "AA"),
    *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "gldt-", "glrt-", "xox"),
    *("xapp-", "sk_", "rk_", "whsec_", "SK", "AC", "SG.", "key-", "npm_", "pypi-", "hf_", "gsk_"),
    *("r8_", "xai-", "pplx-", "tvly-", "pcsk_", "dapi", "dop_", "doo_", "dor_", "shp", "sq0"),
    *("ntn_", "secret_", "lin_api_", "hvs.", "dp.", "glsa_", "sntrys_", "NRAK-", "PMAK-", "AT"),
)
VENDOR_INSIDE: Final = re.compile(rf"[_.\-](?:{'|'.join(map(re.escape, VENDOR_STARTS))})")
AZURE: Final = re.compile(r"(?<=AccountKey=)[A-Za-z0-9+/]{40,}={0,2}")
SLACK_HOOK: Final = re.compile(r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]{10,}")
# Bytes of a word become `a`, all others a blank: a long word is then found at the speed of memory.
WORDS: Final = (
    bytes(97 if chr(byte).isalnum() or chr(byte) in "_-." else 32 for byte in range(128))
    + b" " * 128
)
LONG: Final = b"a" * 20
LONG_WORD: Final = re.compile(rb"a{20,}")
# The same for whatever is written in digits, and for how an IBAN begins.
NUMBERS: Final = bytes(48 if chr(byte) in "0123456789 ().-/" else 32 for byte in range(256))
SEVEN: Final = b"0" * 7
IBAN_SHAPE: Final = (
    bytes(97 if chr(byte).isalpha() else 48 if chr(byte).isdigit() else 32 for byte in range(128))
    + b" " * 128
)
IBAN_HEAD: Final = b" aa00"
SECRET_STEMS: Final = (
    *("key", "token", "auth", "pass", "secret", "cookie", "pwd", "credential", "connection"),
    "bearer",
)
SECRET_ENDS: Final = (
    *("password", "passwd", "passphrase", "pwd", "pass", "secret", "key", "token", "string"),
    *("credential", "credentials", "authorization", "cookie"),
)
_NAMES: Final = (
    r"(?:pass(?:word|wd|phrase)|passwd|pwd|secret|client[_-]?secret|(?:x[_-])?api[_-]?key|apikey|"
    r"access[_-]?key|secret[_-]?(?:access[_-]?)?key|(?:private|signing|encryption)[_-]?key|"
    r"(?:access|auth|refresh|id|session|bearer|csrf|api|security)[_-]?token|credentials?|"
    r"(?:proxy[_-]?)?authorization|(?:set[_-]?)?cookie|connection[_-]?string)"
)
SECRET_KEY: Final = re.compile(rf"(?:.*[._\-/ ])?(?:{_NAMES}|token)", re.IGNORECASE)
CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
SEPARATOR: Final = re.compile(r"[:=]")
NAME: Final = re.compile(r"[A-Za-z0-9_.-]{3,60}\Z")
ASSIGNED: Final = re.compile(
    r"[:=][=>]?\s{0,3}[\"'\\]{0,4}(?:(?:Bearer|Basic|Token)\s{1,3})?(?P<value>[^\s\"'\\,;&<>(){}\[\]]{4,})",
    re.IGNORECASE,
)
BEARER: Final = re.compile(
    r"\b(?P<scheme>Bearer|Basic)\s{1,3}(?P<value>[A-Za-z0-9._~+/-]{16,}=*)", re.IGNORECASE
)
QUERY: Final = re.compile(
    r"(?P<sep>[?&](?:token|key|sig|signature|code|auth|access_token|x-amz-signature|x-amz-credential)=)"
    r"(?P<value>[^&\s#\"'<>]{6,})",
    re.IGNORECASE,
)
URL_LOGIN: Final = re.compile(r"://(?P<value>[^\s/:@\"']{0,256}:[^\s/@\"']{1,256})@")
KEY_BEGIN: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
KEY_BODY: Final = re.compile(r"(?:[A-Za-z0-9+/=\s:,.\\]|-(?!----))*")
KEY_END: Final = re.compile(r"-----END [A-Z0-9 ]{0,40}-----")
JWT: Final = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?")
AT: Final = re.compile(r"@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![\w-])")
LOCAL: Final = re.compile(r"[\w.!#$%&*+=?^`{|}~'-]{1,64}\Z")
DIGITS: Final = re.compile(r"[0-9][0-9 ().\-/]{5,}[0-9]")
IPV6: Final = re.compile(
    r"(?:(?<![\w:.])|(?<=\\[nrt]))[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,44}(?![\w:])"
)
IPV6_LIKELY: Final = re.compile(r":(?::|(?:[0-9A-Fa-f]{1,4}:){5})")
IPV4: Final = re.compile(r"(?<![\w.-])\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\w-]|\.\d)")
CARD: Final = re.compile(
    r"(?<!\d)(?:\d{12,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}[ -]\d{6}[ -]\d{4,5})(?!\d)"
)
SSN: Final = re.compile(r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])")
IBAN: Final = re.compile(
    r"[0-9][0-9](?<=[A-Za-z]{2}[0-9]{2})"
    r"(?:(?<![A-Za-z0-9][A-Za-z]{2}[0-9]{2})|(?<=\\[nrt][A-Za-z]{2}[0-9]{2}))(?= ?[A-Za-z0-9]{4})"
)
IBAN_LENGTHS: Final = {
    country: int(length)
    for length, countries in {
        "15": "NO",
        "16": "BE",
        "18": "DK FI FO GL NL SD",
        "19": "MK SI",
        "20": "AT BA EE KZ LT LU XK",
        "21": "CH CR HR LI LV",
        "22": "BG BH DE GB GE IE ME RS VA",
        "23": "AE GI IL IQ OM TL",
        "24": "AD CZ ES MD PK RO SA SE SK TN VG",
        "25": "LY PT ST",
        "26": "IS TR",
        "27": "BI DJ FR GR IT MC MR SM",
        "28": "AL AZ BY CY DO GT HU LB NI PL SV",
        "29": "BR EG PS QA UA",
        "30": "JO KW MU YE",
        "31": "MT SC",
        "32": "LC",
        "33": "RU",
    }.items()
    for country in countries.split()
}
PHONE_SHAPE: Final = re.compile(
    r"\+\d[\d ().\-/]{6,18}\d"
    r"|(?:00?1[-. ])?\(?\d{3}\)?[-. ]?\d{3}[-.]\d{4}"
    r"|\(\d{2,5}\) ?\d{3,4}[ -]\d{3,4}"
    r"|0\d{1,4}(?:[ .-]\d{2,4}){2,4}"
    r"|0\d{2,4}[-/ ]\d{6,8}"
)
WORD: Final = re.compile(r"\w{0,20}")
PHONE_DIGITS: Final = range(7, 16)
PHONE_WORD: Final = re.compile(
    r"(?<!\[)\b(?:phone|telephone|tel|mobile|cell|cellphone|fax|desk|whatsapp|sms|handy|telefon|téléphone|móvil)\b",
    re.IGNORECASE,
)
PHONE_HINT: Final = re.compile(
    r"\b(?:call(?:ed|ing)?|dial|reach|registered|answering|office|home|messages? to|text me"
    r"|hotline|contact)\b",
    re.IGNORECASE,
)
DATE: Final = re.compile(
    r"(?:19|20)\d\d[-./]\d\d?[-./]\d\d?(?!\d)|\d\d?[-./]\d\d?[-./](?:19|20)\d\d(?!\d)"
)
EXTENSION: Final = re.compile(r"x\d{1,5}\b")
DATA_URL: Final = re.compile(r"data:[\w.+-]{1,64}/[\w.+-]{1,64};base64,[A-Za-z0-9+/=_-]*")
BASE64: Final = re.compile(r"[A-Za-z0-9+/\r\n]{512,}={0,2}\s*")
PLACEHOLDER: Final = re.compile(r"\[[A-Z_]{2,20}(?::[a-p]{12})?\]")
CARD_PREFIXES: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})$|5[1-5]\d{14}$|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}$|3[47]\d{13}$"
    r"|3(?:0[0-5]|[689]\d)\d{11,16}$|35\d{14,17}$|(?:1800|2131)\d{11}$"
    r"|6(?:011|4[4-9]\d|5\d\d|2\d\d)\d{12,15}$|(?:5018|5020|5038|58\d\d|6304|6759|676[1-3]|6390|0604)\d{8,15}$"
)

# Only in strict: shapes that are also found in harmless text. What must be there comes first,
# because a scan of the whole text costs more than a substring test.
_TITLES: Final = ("Mr ", "Ms ", "Dr ", "Mr. ", "Ms. ", "Dr. ", "Mrs ", "Mrs. ", "Miss ", "Prof. ")
_INTRODUCED: Final = ("name is ", "name: ", "I'm ", "I am ")
_BEHIND: Final = "|".join(rf"(?<=\b{re.escape(word)})" for word in (*_TITLES, *_INTRODUCED))
_WORD: Final = r"[^\W\d_][\w.'’-]{0,30}"
STRICT: Final[tuple[tuple[str, tuple[str, ...], re.Pattern[str]], ...]] = (
    ("MAC", (":", "-"), re.compile(r"\b(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b")),
    ("WALLET", ("bc1", "0x"), re.compile(r"\b(?:bc1[a-z0-9]{25,60}|0x[0-9a-fA-F]{40})\b")),
    ("SSN", ("SSN ", "ssn ", "ecurity"), re.compile(r"(?<=(?:SN|sn|er) )\d{9}\b")),
    (
        "PERSON",
        (*_TITLES, *_INTRODUCED),
        re.compile(
            rf"(?:{_BEHIND})[^\W\d_a-zß-ÿ][\w'’-]{{1,30}}"
            r"(?: [^\W\d_a-zß-ÿ][\w'’.-]{0,30}){0,3}"
        ),
    ),
    (
        "ADDRESS",
        ("St", "Av", "R", "L", "D", "C", "Bo", "Bl", "Squ", "Pl", "Way"),
        re.compile(
            rf"\b\d{{1,5}}[A-Za-z]?(?: {_WORD}){{1,4}} (?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln"
            r"|Drive|Dr|Court|Ct|Boulevard|Blvd|Squares?|Place|Way)\b\.?"
        ),
    ),
    (
        "ADDRESS",
        ("Apt", "Suite", "Unit", "Flat", "Box", "PSC", "Postfach"),
        re.compile(r"\b(?:Apt|Suite|Unit|Flat|P\.?O\.? Box|Box|PSC|Postfach)\.? ?#?\d{1,6}\b"),
    ),
    (
        "ADDRESS",
        ("Rue ", "Via ", "Calle ", "Rua ", "Avenida "),
        re.compile(rf"\b(?:Rue|Via|Calle|Rua|Avenida) (?:{_WORD} ){{1,4}}\d{{1,4}}\b"),
    ),
    (
        "ADDRESS",
        ("straße ", "strasse ", "gasse ", "weg ", "gatan ", "veien ", "vej ", "katu ", "utca "),
        re.compile(
            r"\b[^\W\d_][\w-]{2,30}(?:straße|strasse|gasse|weg|gatan|veien|vej|katu|utca) \d{1,4}\b"
        ),
    ),
)
LONG_TOKEN: Final = re.compile(
    r"(?<![\w+/-])(?=[\w+/-]*\d)(?=[\w+/-]*[a-z])(?=[\w+/-]*[A-Z])[A-Za-z0-9_+/-]{32,}={0,2}"
)
