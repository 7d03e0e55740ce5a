"""The parts of Streamlit's script that a page names before it is asked for them."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Scope
from streamlit.file_util import get_static_dir

from ui import early
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


PAGE = "<html><head><title>x</title></head><body>y</body></html>"


@pytest.fixture
def client() -> TestClient:
    routes = [
        Route("/", lambda _request: HTMLResponse(PAGE)),
        Route("/login", lambda _request: HTMLResponse(PAGE)),
        Route("/gone", lambda _request: HTMLResponse(PAGE, status_code=404)),
        Route("/plain", lambda _request: PlainTextResponse(PAGE)),
    ]
    middleware = [Middleware(Early), Middleware(GZipMiddleware, minimum_size=1)]
    app = Starlette(routes=routes, middleware=middleware)
    return TestClient(app, headers={"accept": "text/html,*/*;q=0.8"})


def test_a_page_knows_its_server_first_and_names_its_parts_last(client: TestClient) -> None:
    found = client.get("/")
    assert found.headers["cache-control"] == "no-store"
    head, _, rest = found.text.partition("<title>Waypost</title>")
    assert head.startswith("<html><head><script>window.__streamlit = ")
    assert rest.startswith('<link rel="modulepreload" href="./static/js/BidiComponent.')
    assert rest.endswith("</head><body>y</body></html>")


HEAVY = (
    '<link rel="stylesheet" crossorigin href="./x.css"><link rel="modulepreload" href="./y.js">'
    '<script type="module" crossorigin src="./z.js"></script>'
)
FONT = '<link rel="preload" href="./static/SourceSansVF-Upright.1.woff2" as="font">'


def painted(first: Callable[[Scope], bytes]) -> str:
    page = f"<html><head>{HEAVY}{FONT}</head><body>y</body></html>"
    routes = [Route("/", lambda _request: HTMLResponse(page, headers={"etag": '"1"'}))]
    app = Starlette(routes=routes, middleware=[Middleware(Early, first=first)])
    given = {"accept": "text/html", "if-none-match": '"1"'}
    found = TestClient(app, headers=given).get("/")
    assert found.status_code == 200
    assert not {"etag", "content-length"} & set(found.headers)
    return found.text


def test_an_answer_comes_before_all_a_browser_works_on_for_long() -> None:
    asked: list[str] = []

    def first(scope: Scope) -> bytes:
        asked.append(scope["path"])
        return b"<p>the answer</p>"

    head, _, rest = painted(first).partition("<p>the answer</p>")
    assert asked == ["/"]
    assert not any(part in head for part in ("stylesheet", "modulepreload", "module"))
    assert "waypost_zone=" in head
    assert "src: url(./static/SourceSansVF-Upright.1.woff2)" in head
    held, _, rest = rest.partition("</template>")
    assert held.startswith('<template id="waypost-heavy">' + HEAVY)
    assert rest.startswith("<script>")
    assert rest.endswith("y</body></html>")


def _fails(_scope: Scope) -> bytes:
    raise ValueError("a mistake of ours")


@pytest.mark.parametrize("first", [_fails, lambda _scope: b""])
def test_without_an_answer_the_page_comes_as_ever(first: Callable[[Scope], bytes]) -> None:
    text = painted(first)
    assert "template" not in text
    assert text.index("<body>") < text.index(HEAVY) < text.index("y</body>")


def test_an_answer_that_takes_too_long_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early, "_LONGEST", 0.05)
    release = threading.Event()

    def first(_scope: Scope) -> bytes:
        release.wait(10)
        return b"<p>only now</p>"

    text = painted(first)
    release.set()
    assert HEAVY in text
    assert "only now" not in text


@pytest.mark.parametrize("path", ["/plain", "/login", "/gone"])
def test_everything_else_stays_as_it_is(client: TestClient, path: str) -> None:
    assert client.get(path).text == PAGE


def test_the_head_of_a_page_is_answered(client: TestClient) -> None:
    assert client.head("/").status_code == 200


def test_streamlit_reads_what_it_is_told() -> None:
    """Both names, or it would ask as before; its page has the place where they are told."""
    static = Path(get_static_dir())
    scripts = "".join(p.read_text() for p in (static / "static" / "js").glob("index.*.js"))
    for name in ("BACKEND_BASE_URL", "HOST_CONFIG", "useExternalAuthToken", "enableBypass"):
        assert name in scripts
    page = (static / "index.html").read_text()
    assert page.count("<head>") == page.count("</head>") == 1
