"""The queues of the job table, by number."""

from enum import IntEnum


class Queue(IntEnum):
    """What a job asks for."""

    TRACE = 1
    JUDGE = 2
    EVALUATE = 3
