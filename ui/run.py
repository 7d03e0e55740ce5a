"""Runs the dashboard until it is told to stop."""

import os
from collections.abc import Mapping
from typing import Final

import uvicorn
from streamlit.web import bootstrap

from ui import opened
from ui.serve import build
from ui.theme import THEME
from waypost.ports import refuse_taken
from waypost.settings import Settings
from waypost.store import sessions
from waypost.store.opened import store

_STOP_SECONDS: Final = 2


def serve(settings: Settings) -> None:
    """Serve the pages on the host and port of `settings`; returns after SIGTERM or SIGINT."""
    refuse_taken(settings.host, [("--ui", settings.ui)])
    with store(settings) as engine:
        with engine.begin() as connection:
            secret = sessions.secret(connection)
        hand_down(settings, engine.url.render_as_string(hide_password=False))
        bootstrap.load_config_options(dict(options(settings, secret)))
        app = build(settings, secret=secret, runs=lambda: opened.store().runs)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.ui,
                ws="websockets-sansio",
                access_log=False,
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=_STOP_SECONDS,
            )
        )
        server.run()


def hand_down(settings: Settings, url: str) -> None:
    """Streamlit runs its script with nothing but the environment of this process."""
    given: dict[str, object | None] = {
        "WAYPOST_DATABASE_URL": url.replace("postgresql+psycopg://", "postgresql://"),
        "WAYPOST_DATA": settings.data.resolve(),
        "WAYPOST_HOST": settings.host,
        "WAYPOST_UI": settings.ui,
        "WAYPOST_OTLP_HTTP": settings.otlp_http,
        "WAYPOST_OTLP_GRPC": settings.otlp_grpc,
        "WAYPOST_USERS": settings.users,
        "WAYPOST_OIDC": settings.oidc,
        "WAYPOST_PUBLIC_URL": settings.public_url,
    }
    os.environ.update({name: str(value) for name, value in given.items() if value is not None})


def options(settings: Settings, secret: bytes) -> Mapping[str, object]:
    """Streamlit's options; given in code, so an installed wheel needs no file."""
    return {
        "server.address": settings.host,
        "server.port": settings.ui,
        "server.headless": True,
        "server.cookieSecret": secret.hex(),
        "server.enableXsrfProtection": True,
        "server.enableCORS": True,
        "server.fileWatcherType": "none",
        "server.runOnSave": False,
        "server.enableStaticServing": False,
        "server.maxUploadSize": 16,
        "server.disconnectedSessionTTL": 60,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.disableDataExport": True,  # its CSV holds formulas; ours are safe
        "runner.magicEnabled": False,
        "runner.postScriptGC": False,  # it stops the process before the page's last parts are sent
        "logger.hideWelcomeMessage": True,
        **({} if settings.oidc is None else {"secrets.files": [str(settings.oidc)]}),
        **THEME,
    }
