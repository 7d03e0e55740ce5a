"""The parts of Streamlit's script that a page names before it is asked for them."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.file_util import get_static_dir

from ui.early import PARTS, Early, late_parts


@pytest.mark.parametrize("part", PARTS)
def test_streamlit_has_every_part_that_is_named(part: str) -> None:
    found = late_parts(Path(get_static_dir()))
    assert [name for name in found if name.startswith(f"{part}.")]


def test_what_a_part_imports_comes_along_but_not_what_the_page_names_itself(tmp_path: Path) -> None:
    scripts = tmp_path / "static" / "js"
    scripts.mkdir(parents=True)
    (tmp_path / "index.html").write_text('<script src="./static/js/index.1.js"></script>')
    (scripts / "index.1.js").write_text("export{}")
    (scripts / "Html.2.js").write_text('import{a}from"./index.1.js";import"./deep.3.js";')
    (scripts / "deep.3.js").write_text("import{b}from`./Html.2.js`;")
    assert late_parts(tmp_path) == ["Html.2.js", "deep.3.js"]


def test_a_streamlit_without_files_names_nothing(tmp_path: Path) -> None:
    assert late_parts(tmp_path) == []


def test_only_pages_carry_the_names() -> None:
    routes = [
        Route("/", lambda _request: HTMLResponse("<html>")),
        Route("/login", lambda _request: HTMLResponse("<html>")),
        Route("/plain", lambda _request: PlainTextResponse("x")),
    ]
    client = TestClient(Starlette(routes=routes, middleware=[Middleware(Early)]))
    link = client.get("/").headers["link"]
    assert "<./static/js/BidiComponent." in link
    assert "rel=modulepreload" in link
    assert len(link) < 4096
    for path in ("/plain", "/login"):
        assert "link" not in client.get(path).headers
