"""What `up` was started with: kept in its data folder while it runs, for verbs of other shells."""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from waypost.settings import PREFIX, Settings

# Where it listens, and by which files it judges and lets people in; no secret is among them.
FOLLOWED: Final = (
    "host", "otlp_http", "otlp_grpc", "ui", "public_url", "require_key",
    "tls_cert", "tls_key", "tls_client_ca", "users", "oidc",
    "config", "plugins", "allowed_hosts",
)  # fmt: skip
_FILE: Final = "up.json"


@contextmanager
def told(settings: Settings) -> Iterator[None]:
    """Keep these settings in their data folder while the block runs.

    The file is locked meanwhile. The lock ends with its process, however that ends, so a file
    that nobody has locked is old.
    """
    path = settings.data / _FILE
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        json.dump(_variables(settings), file)
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _variables(settings: Settings) -> Mapping[str, str]:
    values = {}
    for name in FOLLOWED:
        value = getattr(settings, name)
        if value not in (None, ""):
            # The verb that reads it stands in another folder.
            text = str(value.resolve() if isinstance(value, Path) else value)
            values[PREFIX + name.upper()] = text
    return values


def found(data: Path) -> Mapping[str, str]:
    """The variables of the `up` that runs on this data folder; none where none runs."""
    try:
        with (data / _FILE).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return dict(json.load(file))
    except (OSError, ValueError):  # there is none, or it is being written just now
        pass
    return {}
