"""Pages for people: where they are, what they load, and what programs are told in their place."""

import re

import pytest

from bridge.bridged import Bridged, client_of_bridge_on
from syncline_bridge.pages.routes import takes_html

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PAGES = ["/", "/docs", "/docs/rxdb", "/docs/checkpoint-sync", "/demo"]
FILES = [
    *("/assets/icon.svg", "/assets/home.css", "/assets/home.js", "/assets/docs.css", "/assets/docs.js"),
    *("/assets/swagger-ui.css", "/assets/swagger-ui-bundle.js", "/demo/app.css", "/demo/app.js"),
]
HOST = re.compile(r"""(?:src|href|url|action)\s*[=(:]\s*["']?\s*(?:https?:)?//""")
"""What would load something from a host, or lead to one."""
OWN = [path for path in (*PAGES, *FILES) if "swagger" not in path]


@pytest.mark.parametrize("path", PAGES)
async def test_a_browser_gets_a_page_that_may_load_nothing_from_elsewhere(bridged: Bridged, path: str):
    answer = await bridged.http.get(path, headers=BROWSER)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"].split("; ")
    assert policy[0] == "default-src 'self'"
    assert not [rule for rule in policy if "unsafe" in rule or "//" in rule or "*" in rule]
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", OWN)
async def test_nothing_of_ours_names_another_host(bridged: Bridged, path: str):
    assert not HOST.findall((await bridged.http.get(path, headers=BROWSER)).text)


@pytest.mark.parametrize("path", PAGES)
async def test_all_that_a_page_names_is_there(bridged: Bridged, path: str):
    page = await bridged.http.get(path, headers=BROWSER)
    named = re.findall(r'(?:src|href)="(/[^"#]*)"', page.text)
    assert len(named) >= 3
    for each in named:
        assert (await bridged.http.get(each, headers=BROWSER)).status_code == 200, each


@pytest.mark.parametrize("accept", ["application/json", "*/*", ""])
async def test_a_program_is_told_at_the_root_that_nothing_is_there(bridged: Bridged, accept: str):
    answer = await bridged.http.get("/", headers={"accept": accept})
    assert answer.status_code == 404
    assert answer.json() == {"error": {"code": "PATH_UNKNOWN", "message": "There is nothing at this path."}}


@pytest.mark.parametrize(
    ("accept", "is_html"),
    [
        (BROWSER["accept"], True),
        ("Text/HTML", True),
        ("text/html; q=0.5, */*", True),
        ("text/html;q=0", False),
        ("text/html ; q=0.000", False),
        ("text/htmlx", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_html_is_for_who_names_it(accept: str, is_html: bool):
    assert takes_html(accept) is is_html


async def test_the_page_at_the_root_says_the_version(bridged: Bridged):
    version = (await bridged.http.get("/openapi.json")).json()["info"]["version"]
    assert f"<small>{version}</small>" in (await bridged.http.get("/", headers=BROWSER)).text


@pytest.mark.parametrize("path", ["/docs", "/assets/swagger-ui-bundle.js"])
async def test_a_file_that_a_browser_has_is_not_sent_again(bridged: Bridged, path: str):
    first = await bridged.http.get(path)
    assert first.headers["cache-control"] == "no-cache"
    again = await bridged.http.get(path, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("setting", "gone", "there"),
    [
        ("docs_enabled", ["/", "/docs", "/openapi.json", "/assets/home.js"], ["/demo", "/demo/app.js"]),
        ("demo_enabled", ["/demo", "/demo/app.js"], ["/", "/docs"]),
    ],
)
async def test_what_is_turned_off_is_nowhere(setting: str, gone: list[str], there: list[str]):
    async with client_of_bridge_on("127.0.0.1:1", **{setting: False}) as http:
        for path in gone:
            assert (await http.get(path, headers=BROWSER)).status_code == 404, path
        for path in there:
            assert (await http.get(path, headers=BROWSER)).status_code == 200, path


async def test_the_page_at_the_root_leads_to_no_demo_that_is_turned_off():
    async with client_of_bridge_on("127.0.0.1:1", demo_enabled=False) as http:
        page = (await http.get("/", headers=BROWSER)).text
    assert "/docs" in page
    assert "/demo" not in page
