"""Requests to addresses that people configure: checked, bounded, and never led astray.

The host is resolved once, every address is checked, and the connection goes to the address that
was checked. Private, loopback, link-local and metadata addresses are refused unless the host is
on the allow list; redirects are not followed; ten seconds and 64 KB are all an answer gets.
"""

import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from waypost.errors import WaypostError

SECONDS = 10.0
LIMIT = 64 << 10
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Iterable[str]]


class Refused(WaypostError):
    """An outgoing request was not allowed to leave."""


class Unreached(WaypostError):
    """The receiver could not be reached, or gave no proper answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said; the body is cut at the limit."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def resolved(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system gives them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class Outgoing:
    """How requests leave this installation; `allowed` are hosts that may be private."""

    allowed: frozenset[str] = frozenset()
    seconds: float = SECONDS
    resolve: Resolve = resolved
    clock: Callable[[], float] = time.time

    @classmethod
    def of(cls, allowed_hosts: str, **more: object) -> "Outgoing":
        """With the allow list of the settings: names or addresses, separated by commas."""
        names = frozenset(h.strip().lower() for h in allowed_hosts.split(",") if h.strip())
        return cls(names, **more)  # type: ignore[arg-type]  # the other fields by name

    def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        secret: str | None = None,
    ) -> Answer:
        """Send a body once; Refused before anything leaves, Unreached when nothing comes back."""
        parts = _parts(url)
        host, port = _host(parts), parts.port or (443 if parts.scheme == "https" else 80)
        address = self.check(host, port)
        sent = {"User-Agent": "waypost", "Content-Type": "application/json", **(headers or {})}
        if secret is not None:
            sent |= signature(body, secret, at=int(self.clock()))
        ends = time.monotonic() + self.seconds
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection = _connection(parts.scheme, host, port, address=address, seconds=self.seconds)
        try:
            connection.request("POST", path, body, sent)
            return _answer(connection, ends)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unreached(f"{host} gave no proper answer: {_reason(error)}.") from error
        finally:
            connection.close()

    def check(self, host: str, port: int) -> str:
        """The one address to connect to; Refused when any of the host's may not be reached."""
        try:
            addresses = list(self.resolve(host, port))
        except (OSError, UnicodeError) as error:
            raise Unreached(f"The host {host!r} cannot be resolved: {_reason(error)}.") from error
        if not addresses:
            raise Unreached(f"The host {host!r} has no address.")
        if host.lower() not in self.allowed:
            for address in addresses:
                if address not in self.allowed and not is_public(address):
                    raise Refused(
                        f"{host!r} leads to {address}, which is not a public address; "
                        "name the host in WAYPOST_ALLOWED_HOSTS if it is meant."
                    )
        return addresses[0]


def signature(body: bytes, secret: str, *, at: int) -> dict[str, str]:
    """The headers by which a receiver knows the sender, the body and the moment."""
    signed = f"{at}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return {"X-Waypost-Timestamp": str(at), "X-Waypost-Signature": f"sha256={digest}"}


def is_public(text: str) -> bool:
    """Whether an address is one of the open internet, whatever it is wrapped in."""
    try:
        address = _unwrapped(ipaddress.ip_address(text.split("%", 1)[0]))
    except ValueError:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _unwrapped(address: Address) -> Address:
    """The IPv4 address inside a mapped, 6to4, NAT64 or Teredo one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    inner = address.ipv4_mapped or address.sixtofour
    return inner or (address.teredo[1] if address.teredo else address)


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise Refused("The address of an outgoing request cannot be read.") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Refused("Outgoing requests go to http:// or https:// addresses only.")
    if parts.username or parts.password:
        raise Refused("An outgoing address must not hold a name or password.")
    return parts


def _host(parts: SplitResult) -> str:
    return str(parts.hostname)


def _connection(
    scheme: str, host: str, port: int, *, address: str, seconds: float
) -> http.client.HTTPConnection:
    if scheme == "https":
        return _Secure(host, port, address, seconds)
    return _Plain(host, port, address, seconds)


class _Plain(http.client.HTTPConnection):
    """HTTP to an address that was checked, under the name that was asked for."""

    def __init__(self, host: str, port: int, address: str, seconds: float) -> None:
        super().__init__(host, port, timeout=seconds)
        self._address = address

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), self.timeout)


class _Secure(_Plain):
    """The same over TLS; the certificate must be for the name."""

    def connect(self) -> None:
        super().connect()
        context = ssl.create_default_context()
        self.sock = context.wrap_socket(self.sock, server_hostname=self.host)


def _answer(connection: http.client.HTTPConnection, ends: float) -> Answer:
    sock = connection.sock
    sock.settimeout(max(ends - time.monotonic(), 0.01))
    response = connection.getresponse()
    parts: list[bytes] = []
    size = 0
    while size < LIMIT:
        left = ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        sock.settimeout(left)
        part = response.read1(LIMIT - size)
        if not part:
            break
        parts.append(part)
        size += len(part)
    headers = {k.lower(): v for k, v in response.getheaders()}
    return Answer(response.status, b"".join(parts), headers)


def _reason(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return text.splitlines()[0][:200]
