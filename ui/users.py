"""Who may see and change what: a file of users, their roles and their passwords' hashes."""

import getpass
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from waypost.errors import BadSetting, WrongUse
from waypost.roles import Person, Role

OIDC = "oidc"
EVERYONE = "*"
_SHORTEST = 12


@dataclass(frozen=True, slots=True)
class User:
    """A line of the file."""

    name: str
    role: Role
    hash: str

    @property
    def print(self) -> str:
        """Changes when the password does, so old sessions end with it."""
        return sha256(self.hash.encode()).hexdigest()[:16]


def read_users(path: Path) -> dict[str, User]:
    """The users in a file, read again when it changes; BadSetting names the line that is wrong."""
    try:
        stamp = path.stat()
    except OSError as error:
        raise BadSetting(f"The file of users {path} cannot be read: {error.strerror}.") from error
    return _read(path, stamp.st_mtime_ns, stamp.st_size)


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int, _size: int) -> dict[str, User]:
    found: dict[str, User] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.strip().partition(" ")
        role, _, hashed = rest.strip().partition(" ")
        if role not in list(Role) or not (hashed == OIDC or hashed.startswith("$argon2id$")):
            raise BadSetting(
                f"Line {number} of {path} is not `name role $argon2id$…` or `name role oidc`."
            )
        found[name] = User(name, Role(role), hashed)
    return found


def check_password(users: dict[str, User], name: str, password: str) -> User | None:
    """The user with this password; takes as long for a name that does not exist."""
    user = users.get(name)
    known = user if user is not None and user.hash != OIDC else None
    hasher = PasswordHasher()
    try:
        hasher.verify(known.hash if known else _unknown(), password)
    except (VerificationError, InvalidHashError):
        return None
    return known


@lru_cache(maxsize=1)
def _unknown() -> str:
    return PasswordHasher().hash("nobody has this password")


def by_oidc(users: dict[str, User], email: str) -> Person | None:
    """The person an identity provider vouches for, when the file lets them in."""
    user = users.get(email) or users.get(EVERYONE)
    if user is None or user.hash != OIDC:
        return None
    return Person(email, user.role)


def add(path: Path, name: str, role: str, password: str) -> None:
    """Put a user into the file, or give one a new password and role."""
    if not re.fullmatch(r"[^\s#*:]{1,100}", name):
        raise WrongUse(
            f"{name!r} cannot be a user's name; use up to 100 characters without spaces."
        )
    if role not in list(Role):
        raise WrongUse(f"Role {role!r} is unknown; choose viewer, reviewer or admin.")
    if len(password) < _SHORTEST:
        raise WrongUse(f"A password needs at least {_SHORTEST} characters.")
    old = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = [line for line in old if line.split(" ", 1)[0] != name]
    kept.append(f"{name} {role} {PasswordHasher().hash(password)}")
    path.touch(mode=0o600)
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """`python -m ui.users FILE NAME ROLE` asks for a password and writes the line."""
    if len(arguments) != 3:
        sys.stderr.write("Write: python -m ui.users FILE NAME viewer|reviewer|admin\n")
        return 2
    path, name, role = arguments
    typed = sys.stdin.readline().rstrip("\n") if not sys.stdin.isatty() else getpass.getpass()
    try:
        add(Path(path), name, role, typed)
    except WrongUse as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"The file of users {path} cannot be written: {error.strerror}.\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
