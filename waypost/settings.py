"""One frozen Settings, read from the environment once at the door and handed down."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from waypost.errors import BadSetting

PREFIX = "WAYPOST_"
PORTS = frozenset({"otlp_http", "otlp_grpc", "ui"})


def _setting(default: object, sentence: str) -> Any:
    return field(default=default, metadata={"sentence": sentence})


@dataclass(frozen=True, slots=True)
class Settings:
    """How the processes of one installation run. Every field is a `WAYPOST_…` variable."""

    data: Path = _setting(Path(".waypost"), "Folder of the embedded Postgres, the spool and logs.")
    database_url: str | None = _setting(
        None, "A Postgres of your own (15 or later); empty starts the embedded one."
    )
    host: str = _setting("127.0.0.1", "Address the collector and the dashboard listen on.")
    otlp_http: int = _setting(4318, "Port of OTLP over HTTP, of health, metrics and REST.")
    otlp_grpc: int = _setting(4317, "Port of OTLP over gRPC.")
    ui: int = _setting(8501, "Port of the dashboard.")
    workers: int = _setting(1, "How many worker processes `up` starts.")
    tls_cert: Path | None = _setting(None, "Certificate chain (PEM) of the receiver.")
    tls_key: Path | None = _setting(None, "Private key (PEM) of the receiver.")
    tls_client_ca: Path | None = _setting(None, "CA that clients must be signed by.")
    cors_origins: str = _setting("", "Origins that browsers may send from, separated by commas.")
    require_key: bool = _setting(False, "Ask for an API key on loopback too.")
    wire_limit: int = _setting(16 << 20, "Largest request on the wire, in bytes.")
    inflated_limit: int = _setting(64 << 20, "Largest request after decompression, in bytes.")
    in_flight_limit: int = _setting(64 << 20, "Bytes of requests a collector holds at once.")
    spool_limit: int = _setting(1 << 30, "Bytes the disk spool may take while Postgres is away.")
    shared_buffers_mb: int = _setting(
        0, "Memory of the embedded Postgres in MB; 0 is a quarter of RAM, at most 4096."
    )
    config: Path | None = _setting(
        None, "The waypost.toml with evaluators, judges, policies, alert rules and gates."
    )
    plugins: Path | None = _setting(None, "A folder of evaluators of your own.")
    judge_model: str | None = _setting(None, "The model that judges, as provider:model.")
    judge_base_url: str | None = _setting(None, "Base URL of the judge's API.")
    judge_key: str | None = _setting(None, "API key of the judge.")
    judge_budget_usd: float = _setting(10.0, "What judges may cost a day before they pause.")
    scores_endpoint: str | None = _setting(
        None, "OTLP endpoint that receives every score as a log record."
    )
    public_url: str | None = _setting(None, "Address that people type for the dashboard.")
    users: Path | None = _setting(None, "File of users and argon2id hashes for the login.")
    oidc: Path | None = _setting(
        None, "File (TOML) whose [auth] names the identity provider that people sign in at."
    )
    allowed_hosts: str = _setting(
        "", "Private hosts that alert messages may go to, separated by commas."
    )

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """The settings in the environment; BadSetting names the variable that does not fit."""
        values = os.environ if environment is None else environment
        hints = _hints()
        found: dict[str, Any] = {}
        for item in fields(cls):
            text = _text(values, PREFIX + item.name.upper())
            if text is not None and text != "":
                found[item.name] = _parse(PREFIX + item.name.upper(), text, hints[item.name])
        return cls(**found)

    def replace(self, **changes: object) -> "Settings":
        """These settings with every change that is not None."""
        return replace(self, **{k: v for k, v in changes.items() if v is not None})  # type: ignore[arg-type]  # names are checked by the dataclass

    @property
    def on_loopback(self) -> bool:
        return self.host in ("127.0.0.1", "::1", "localhost")

    @property
    def needs_key(self) -> bool:
        """Whether senders must show an API key."""
        return self.require_key or not self.on_loopback

    @property
    def receiver(self) -> str:
        """The address the collector receives OTLP over HTTP on."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls_cert else 'http'}://{host}:{self.otlp_http}"


@cache
def _hints() -> dict[str, Any]:
    return get_type_hints(Settings)


def _text(values: Mapping[str, str], name: str) -> str | None:
    path = values.get(name + "_FILE")
    if path is None or name in values:
        return values.get(name)
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BadSetting(f"{name}_FILE={path} cannot be read: {error.strerror}.") from error


def _parse(name: str, text: str, hint: object) -> object:
    kind = str(hint)
    is_port = name.removeprefix(PREFIX).lower() in PORTS
    try:
        if "bool" in kind:
            return _parse_bool(text)
        if "Path" in kind:
            return Path(text).expanduser()
        if "int" in kind:
            return _whole(text, port=is_port)
        if "float" in kind:
            return float(text)
    except ValueError as error:
        wanted = "a port" if is_port else _wanted(kind)
        raise BadSetting(f"{name}={text!r} is not {wanted}; set it again.") from error
    return text


def _whole(text: str, *, port: bool) -> int:
    number = int(text)
    if port and not 0 < number < 1 << 16:
        raise ValueError(text)
    return number


def _parse_bool(text: str) -> bool:
    word = text.strip().lower()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("0", "false", "no", "off"):
        return False
    raise ValueError(text)


def _wanted(kind: str) -> str:
    if "bool" in kind:
        return "yes or no"
    return "a whole number" if "int" in kind else "a number"


def table() -> str:
    """The reference table of all settings, in Markdown."""
    rows = ["| variable | default | what it does |", "|---|---|---|"]
    for item in fields(Settings):
        default = "" if item.default in (None, "") else f"`{item.default}`"
        rows.append(f"| `{PREFIX}{item.name.upper()}` | {default} | {item.metadata['sentence']} |")
    return "\n".join(rows) + "\n"
