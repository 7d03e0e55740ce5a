"""How people come in: with a password of ours, through a provider, or freely on loopback."""

from typing import Final

from ui.guard import Sessions
from ui.provider import check_file, is_provider_s
from ui.users import read_users
from waypost.errors import BadSetting
from waypost.roles import Person, Role
from waypost.settings import Settings

LOCAL: Final = Person("local", Role.ADMIN)


def sessions_of(settings: Settings, secret: bytes) -> Sessions | None:
    """The sessions of the password login; None when there is none, or OIDC has its own."""
    if settings.users is None:
        if settings.on_loopback:
            return None
        raise BadSetting(
            f"The dashboard would be open to everyone on {settings.host}. Set WAYPOST_USERS to a "
            "file of users (`python -m ui.users FILE NAME ROLE` writes one), or stay on 127.0.0.1."
        )
    if is_provider_s(read_users(settings.users)):
        check_file(settings.oidc)
        return None
    return Sessions(secret, settings.users, secure=is_secure(settings))


def is_secure(settings: Settings) -> bool:
    """Whether browsers come over TLS, so that cookies must not go without it."""
    public = settings.public_url or ""
    return public.startswith("https://") or not (settings.on_loopback or public)
