"""Certificate and key by path, read again when they change."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from waypost.errors import BadSetting
from waypost.settings import Settings


@dataclass(slots=True)
class Files:
    """The files of one listener, and what they looked like when they were read."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    _seen: tuple[float, ...] = field(default=())

    def __post_init__(self) -> None:
        self._seen = self._stamps()

    def have_changed(self) -> bool:
        """Whether any file was written since this was last asked."""
        now = self._stamps()
        if now == self._seen:
            return False
        self._seen = now
        return True

    def _stamps(self) -> tuple[float, ...]:
        paths = (self.certificate, self.key, self.client_ca)
        return tuple(_stamp(p) for p in paths if p is not None)


def _stamp(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def files_of(settings: Settings) -> Files | None:
    """The TLS files of the settings; None without a certificate."""
    if settings.tls_cert is None and settings.tls_key is None:
        return None
    if settings.tls_cert is None or settings.tls_key is None:
        raise BadSetting("TLS needs both WAYPOST_TLS_CERT and WAYPOST_TLS_KEY.")
    files = Files(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
    context_of(files)
    return files


def context_of(files: Files) -> ssl.SSLContext:
    """A server context over the files; BadSetting when they cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load(context, files)
    if files.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def load(context: ssl.SSLContext, files: Files) -> None:
    """Read the files into a context; connections made from now on use them."""
    try:
        context.load_cert_chain(files.certificate, files.key)
        if files.client_ca is not None:
            context.load_verify_locations(files.client_ca)
    except (OSError, ssl.SSLError) as error:
        raise BadSetting(f"The TLS files cannot be used: {error}.") from error
