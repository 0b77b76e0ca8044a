"""The page, Swagger UI and their files, as a browser gets them."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.routes.pages import WEB
from app.settings import Settings

PAGES = ["/", "/docs"]
FILES = sorted(path.relative_to(WEB).as_posix() for path in WEB.rglob("*") if path.is_file())
OWN_FILES = [name for name in FILES if not name.startswith("swagger/")]


@pytest.fixture(scope="module")
def client() -> TestClient:
    # Without `with`: no model is loaded, and the pages must not wait for one.
    return TestClient(create_app(Settings()))


class _Addresses(HTMLParser):
    """Every address that a page loads or links to, and every script that stands inside of it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.addresses += [names[name] or "" for name in ("src", "href") if name in names]
        if (tag == "script" and "src" not in names) or tag == "style" or "style" in names:
            self.inline.append(tag)
        self.inline += [name for name in names if name.startswith("on")]


@pytest.mark.parametrize("path", PAGES)
def test_page_refers_to_this_host_only_and_to_what_is_there(client: TestClient, path: str) -> None:
    page = _Addresses(client.get(path).text)
    assert page.addresses
    for address in page.addresses:
        # Relative, so that it also holds behind a proxy that adds a path.
        assert re.match(r"[a-z]", address), address
        assert "//" not in address
        if address not in ("model", "docs", "openapi.json"):
            assert client.get(f"/{address}").status_code == 200, address


@pytest.mark.parametrize("path", PAGES)
def test_page_runs_only_scripts_of_this_host(client: TestClient, path: str) -> None:
    response = client.get(path)
    policy = response.headers["content-security-policy"]
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert _Addresses(response.text).inline == []  # the policy would block it


@pytest.mark.parametrize("name", OWN_FILES)
def test_own_file_names_no_other_host(name: str) -> None:
    hosts = set(re.findall(r"https?://([\w.-]+)", (WEB / name).read_text(encoding="utf-8")))
    assert hosts <= {"www.w3.org"}  # SVG's namespace, which is never fetched


@pytest.mark.parametrize("name", FILES)
def test_file_is_served_with_its_type(client: TestClient, name: str) -> None:
    response = client.get(f"/web/{name}")
    types = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    suffix = name[name.rfind(".") :]
    assert response.status_code == 200
    assert response.content == (WEB / name).read_bytes()
    # Browsers refuse scripts and style sheets of another type, because of nosniff.
    assert response.headers["x-content-type-options"] == "nosniff"
    if suffix in types:
        assert response.headers["content-type"].startswith(types[suffix])


def test_file_is_not_sent_again_while_it_is_unchanged(client: TestClient) -> None:
    first = client.get("/web/app.js")
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/web/app.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/web/missing.js", "/web/", "/web/..%2fsettings.py", "/web/%2e%2e/main.py"]
)
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


def test_icon_is_where_browsers_look_for_it(client: TestClient) -> None:
    icon = client.get("/favicon.ico")  # such as at /model, which is no page
    assert (icon.status_code, icon.headers["content-type"]) == (200, "image/svg+xml")


def test_swagger_ui_says_which_version_it_is() -> None:
    version = (WEB / "swagger" / "VERSION").read_text(encoding="utf-8")
    number = re.search(r"swagger-ui-dist (\d+\.\d+\.\d+)", version)
    assert number
    # Swagger UI carries its version inside, so a bundle exchanged without VERSION is noticed.
    bundle = (WEB / "swagger" / "swagger-ui-bundle.js").read_text(encoding="utf-8")
    assert f'PACKAGE_VERSION:"{number[1]}"' in bundle


def test_pages_are_not_part_of_the_api(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert not {"/", "/docs", "/web"} & set(paths)
