"""Every error Waypost raises on purpose, one family with one root."""


class WaypostError(Exception):
    """Something Waypost was asked to do could not be done."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class WrongUse(WaypostError):
    """The command or call was used in a way it does not support."""


class BadSetting(WrongUse):
    """A setting has a value that cannot be used."""


class StoreAway(WaypostError):
    """Postgres does not answer; start it or check WAYPOST_DATABASE_URL."""


class StoreBusy(WaypostError):
    """Another Waypost already runs on this data folder."""


class SchemaBehind(WaypostError):
    """The database schema is older than this program; run `waypost migrate`."""


class DiskFull(WaypostError):
    """The disk that holds the data folder is full; free some space."""


class TookTooLong(WaypostError):
    """Postgres was not done in the time for this; ask for less, such as a shorter window."""


class NotFound(WaypostError):
    """Nothing of that name or id is stored."""


class NotRecorded(WaypostError):
    """A run that is executed again asked for something its recording holds no answer to."""


class NotAllowed(WaypostError):
    """The key or the role does not permit this."""


class Unreadable(WaypostError):
    """What arrived could not be read."""


class PluginBroken(WaypostError):
    """A plug-in could not be loaded."""


class ChannelFailed(WaypostError):
    """An alert could not be delivered; `permanent` says that trying again is of no use."""

    def __init__(self, message: str | None = None, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent
