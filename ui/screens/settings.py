"""The project: how to send runs to it, its keys, its cohorts, how long it keeps, who did what."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import streamlit as st

from ui import actions, data, frame, words
from ui.place import Place
from ui.screen import screen
from ui.widgets import empty, text
from waypost.errors import WaypostError
from waypost.roles import Role
from waypost.store.audit import Entry
from waypost.store.keys import SCOPES, Key
from waypost.store.projects import MASKING

SECRET = "settings_new_key"  # noqa: S105 - the name of a place in the session


@screen("Settings", order=70, windowed=False)
def settings() -> None:
    """How does a run get here, and how long does it stay?"""
    here = frame.here()
    admin = frame.reader().role.includes(Role.ADMIN)
    empty.first_steps(here)
    _project(here, admin)
    _keys(here, admin)
    _log(data.log(here))


def _project(here: Place, admin: bool) -> None:
    project, kept = here.project, data.stored(here)
    st.header("Project", anchor=False)
    text.say(f"{project.name} keeps {words.plural(project.keep_days, 'day')}.")
    if kept.first is not None and kept.last is not None:
        text.mute(
            f"Stored now: {words.plural(kept.days, 'day')}, {kept.first} to {kept.last}; "
            f"{kept.bytes / (1 << 20):,.0f} MiB in all projects.",
            key="stored",
        )
    with st.form("project_form"):
        days = st.number_input("Keep-time in days", 1, 3650, project.keep_days, disabled=not admin)
        masking = st.selectbox(
            "Masking on arrival", MASKING, MASKING.index(project.masking), disabled=not admin,
            help="standard masks secrets and personal data; strict masks more; off keeps all.",
        )  # fmt: skip
        typed = st.text_input(
            "Cohort keys", value=", ".join(project.cohort_keys), disabled=not admin,
            help="Attributes by which runs are grouped, commas between. Counts from now on.",
        )  # fmt: skip
        kept_now = st.form_submit_button("Keep these settings", type="primary", disabled=not admin)
    if not admin:
        text.mute("Changing a project needs the role admin.", key="not_admin")
    if kept_now:
        names = [k.strip() for k in typed.split(",") if k.strip()]
        _do(
            lambda: actions.change_project(
                project.id, keep_days=int(days), masking=str(masking), cohort_keys=names
            )
        )


def _keys(here: Place, admin: bool) -> None:
    st.header("API keys", anchor=False)
    secret = st.session_state.pop(SECRET, None)
    if secret:
        st.success("The new key; it is stored only as a hash and cannot be shown again:")
        st.code(str(secret), language=None)
    known = data.all_keys(here)
    picked = _key_table(here, known)
    if not admin:
        return
    if picked is not None and picked.revoked_at is None and st.button("Revoke this key"):
        _do(lambda: actions.revoke_key(here.project.id, picked.id))
    with st.popover("New key"), st.form("key_form", border=False):
        name = st.text_input("What it is for", max_chars=100)
        scopes = st.multiselect("Scopes", SCOPES, ["write"])
        days = st.number_input("Ends after days (0 is never)", 0, 3650, 0)
        if st.form_submit_button("Make the key", type="primary"):
            _make_key(here, name, scopes, int(days))


def _make_key(here: Place, name: str, scopes: Sequence[str], days: int) -> None:
    try:
        st.session_state[SECRET] = actions.create_key(here.project.id, name, scopes, days or None)
    except WaypostError as error:
        st.warning("No key was made.", icon="⚠️")
        st.text(str(error))
        return
    st.rerun()


def _key_table(here: Place, known: Sequence[Key]) -> Key | None:
    if not known:
        need = "sending needs one" if empty.needs_key(here) else "none is needed to send"
        text.mute(f"No keys yet; {need} here.", key="no_keys")
        return None
    picked: Any = st.dataframe(
        [
            {
                "name": words.one_line(k.name, 100),
                "begins with": k.hint + "…",
                "scopes": ", ".join(k.scopes),
                "made": words.local(k.created_at).replace(tzinfo=None),
                "state": _state(k),
                "last used": "" if k.last_used_at is None else words.ago(k.last_used_at),
            }
            for k in known
        ],
        hide_index=True, key="keys_table", on_select="rerun", selection_mode="single-row",
        alt="API keys",
        column_config={"made": st.column_config.DatetimeColumn("made", format="D MMM YYYY")},
    )  # fmt: skip
    rows = picked["selection"]["rows"] if picked else []
    return known[rows[0]] if rows and rows[0] < len(known) else None


def _state(key: Key) -> str:
    if key.revoked_at is not None:
        return "✕ revoked"
    if key.expires_at is None:
        return "good"
    word = "until" if key.expires_at > dt.datetime.now(dt.UTC) else "✕ ended"
    return f"{word} {key.expires_at:%Y-%m-%d}"


def _log(entries: Sequence[Entry]) -> None:
    st.header("Who did what", anchor=False)
    if not entries:
        text.mute("Nothing yet.", key="no_log")
        return
    st.dataframe(
        [
            {
                "at": words.local(e.at).replace(tzinfo=None),
                "who": words.one_line(e.actor, 60),
                "from": words.one_line(e.origin, 60),
                "did": e.action,
                "to": words.one_line(e.target, 100),
                "change": words.one_line(_change(e.before or {}, e.after or {}), 160),
            }
            for e in entries
        ],
        hide_index=True, alt="The newest entries of the audit log",
        column_config={"at": st.column_config.DatetimeColumn("at", format="D MMM HH:mm:ss")},
    )  # fmt: skip


def _change(before: Mapping[str, object], after: Mapping[str, object]) -> str:
    """What an entry changed, as `name old → new`."""
    found = []
    for name in dict.fromkeys((*before, *after)):
        old, new = (_value(side[name]) if name in side else "" for side in (before, after))
        if old != new:
            found.append(f"{name} {old} → {new}" if old and new else f"{name} {old or new}")
    return ", ".join(found)


def _value(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _do(action: Any) -> None:
    try:
        action()
    except WaypostError as error:
        st.warning("That did not work.", icon="⚠️")
        st.text(str(error))
        return
    st.rerun()
