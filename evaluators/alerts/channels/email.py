"""E-mail through an SMTP server."""

import smtplib
import socket
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from evaluators.alerts.channel import Notice, Target, channel
from waypost.errors import ChannelFailed
from waypost.outgoing import Outgoing, Refused, Unreached

_PERMANENT = 500


@channel(needs=("host", "sender", "to"), takes=("port", "user", "password", "tls"))
def email(notice: Notice, target: Target, out: Outgoing) -> None:
    """Send plain text; repeats carry one Message-ID, and messages of an incident one thread."""
    host, port = target["host"], int(target.get("port") or 587)
    try:
        address = out.check(host, port)
        with _Smtp(host, port, address, timeout=out.seconds) as server:
            _enter(server, target)
            server.send_message(_mail(notice, target))
    except Refused as error:
        raise ChannelFailed(str(error), permanent=True) from error
    except smtplib.SMTPResponseException as error:
        raise ChannelFailed(
            f"The mail server answered {error.smtp_code}.",
            permanent=error.smtp_code >= _PERMANENT,
        ) from error
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        raise ChannelFailed(
            "The mail server refused every recipient.",
            permanent=all(code >= _PERMANENT for code in codes),
        ) from error
    except (OSError, Unreached, smtplib.SMTPException) as error:
        raise ChannelFailed(f"The mail server {host} gave no proper answer: {error}.") from error


def _enter(server: smtplib.SMTP, target: Target) -> None:
    if (target.get("tls") or "yes") != "no":
        server.starttls(context=ssl.create_default_context())
    user = target.get("user")
    if user:
        server.login(user, target["password"])


class _Smtp(smtplib.SMTP):
    """SMTP to the address that was checked, under the name that was asked for."""

    def __init__(self, host: str, port: int, address: str, *, timeout: float) -> None:
        self._checked = address
        super().__init__(host, port, timeout=timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return socket.create_connection((self._checked, port), timeout)


def _mail(notice: Notice, target: Target) -> EmailMessage:
    sender = target["sender"]
    domain = sender.rpartition("@")[2].strip("> ") or "waypost"
    mail = EmailMessage()
    mail["From"], mail["To"] = sender, target["to"]
    mail["Subject"] = " ".join(notice.title.split())[:200]
    mail["Date"] = formatdate()
    mail["Auto-Submitted"] = "auto-generated"
    mail["Message-ID"] = f"<{notice.key}@{domain}>" if notice.key else make_msgid(domain=domain)
    mail["References"] = mail["In-Reply-To"] = f"<{notice.thread}@{domain}>"
    mail.set_content(notice.text)
    return mail
