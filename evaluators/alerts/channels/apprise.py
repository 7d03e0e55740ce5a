"""Everything Apprise speaks: Teams, Telegram, Discord, Matrix, ntfy and a hundred more."""

from evaluators.alerts.channel import Notice, Target, channel
from waypost.errors import ChannelFailed
from waypost.outgoing import Outgoing, Refused, Unreached

_TYPES = {"info": "info", "warning": "warning", "critical": "failure"}
_DEFAULT_PORT = 443


@channel(needs=("url",))
def apprise(notice: Notice, target: Target, out: Outgoing) -> None:
    """Send through an Apprise URL; its host must be one that outgoing requests may reach."""
    from apprise import Apprise, AppriseAsset, NotifyType

    service = Apprise.instantiate(target["url"], asset=AppriseAsset(secure_logging=True))
    if service is None:
        raise ChannelFailed(
            f"Channel {target.name!r}: Apprise does not know this kind of URL.", permanent=True
        )
    host = getattr(service, "host", None)
    if host:
        try:
            out.check(str(host), int(getattr(service, "port", None) or _DEFAULT_PORT))
        except Refused as error:
            raise ChannelFailed(str(error), permanent=True) from error
        except Unreached as error:
            raise ChannelFailed(str(error)) from error
    service.redirects = False
    kind = "success" if notice.is_over else _TYPES.get(str(notice.message.get("severity")), "info")
    if not service.notify(
        body=notice.rest or notice.title, title=notice.title, notify_type=NotifyType(kind)
    ):
        raise ChannelFailed(f"Apprise could not deliver through channel {target.name!r}.")
