"""What people may do: viewers look, reviewers judge, admins change the installation."""

from dataclasses import dataclass
from enum import StrEnum

from waypost.errors import NotAllowed


class Role(StrEnum):
    """What a person may do; each may do what those before it may."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"
    ADMIN = "admin"

    def includes(self, needed: "Role") -> bool:
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Person:
    """Who acts, as what, and through which program."""

    name: str
    role: Role
    origin: str = "dashboard"

    def must_be(self, needed: Role, doing: str) -> None:
        """NotAllowed unless this person's role is enough."""
        if not self.role.includes(needed):
            raise NotAllowed(
                f"{doing} needs the role {needed}; {self.name} is {self.role}. "
                "Ask an administrator of this installation."
            )
