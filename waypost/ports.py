"""Ports of this machine: whether somebody listens on one, and whether it is free."""

import socket
from collections.abc import Iterable

from waypost.errors import WaypostError


def listens(host: str, port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def refuse_taken(host: str, wanted: Iterable[tuple[str, int]]) -> None:
    """A port that is taken is found before anything starts, and named with its option."""
    for option, port in wanted:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                raise WaypostError(
                    f"Port {port} of {host} cannot be used: {error.strerror}. "
                    f"Choose another with {option}."
                ) from error
