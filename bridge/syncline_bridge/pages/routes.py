"""Where the pages are."""

from collections.abc import Iterator, Mapping
from functools import partial
from html import escape
from importlib.resources import files
from typing import Final

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from syncline_bridge.describe.handling import Handler
from syncline_bridge.pages.files import HTML, File, own, read, serving

HOME_PATH: Final = "/"
DEMO_PATH: Final = "/demo"
_ASSETS: Final = "/assets"
_NOT_FOUND: Final = 404
_NO_DEMO: Final = "<!-- demo -->"
_NEVER: Final = frozenset({"q=0", "q=0.0", "q=0.00", "q=0.000"})


def pages(version: str, documents: Mapping[str, str], *, has_demo: bool) -> APIRouter:
    """Serve the pages; `documents` tells which OpenAPI document is shown where.

    Without any there is no documentation, and no page that tells of this server.

    The demo holds no secret: whoever opens it brings a key and a token in the fragment of its address.
    """
    router = APIRouter(include_in_schema=False)
    handlers: dict[str, Handler] = {}
    if documents:
        handlers[HOME_PATH] = _for_people(_home(version, has_demo=has_demo))
        handlers |= {path: serving(file) for path, file in _documentation(documents)}
    if has_demo:
        handlers |= {path: serving(file) for path, file in _demo()}
    if handlers:
        handlers[f"{_ASSETS}/icon.svg"] = serving(own("assets/icon.svg"))
    for path, handler in handlers.items():
        router.add_api_route(path, handler, methods=["GET"], response_model=None)
    return router


def takes_html(accept: str) -> bool:
    """Tell whether an Accept header names HTML, as those of browsers do, and does not rule it out."""
    for choice in accept.lower().split(","):
        media_type, *parameters = ("".join(part.split()) for part in choice.split(";"))
        if media_type == HTML:
            return _NEVER.isdisjoint(parameters)
    return False


def _for_people(file: File) -> Handler:
    shown = serving(file)

    async def serve(request: Request) -> Response:
        """Show a browser what this is; a program is told that nothing is here, as of any such path."""
        if not takes_html(request.headers.get("accept", "")):
            raise HTTPException(_NOT_FOUND)
        answer = await shown(request)
        answer.headers["vary"] = "Accept"
        return answer

    return serve


def _home(version: str, *, has_demo: bool) -> File:
    demo = own("home/demo.html").content.decode() if has_demo else ""
    return own("home/index.html", lambda text: text.replace(_NO_DEMO, demo).replace("{version}", escape(version)))


def _documentation(documents: Mapping[str, str]) -> Iterator[tuple[str, File]]:
    for page_path, openapi_path in documents.items():
        yield page_path, own("docs/index.html", partial(_showing, escape(openapi_path)))
    for name in ("home/home.css", "home/home.js", "docs/docs.css", "docs/docs.js"):
        yield f"{_ASSETS}/{name.partition('/')[2]}", own(name)
    swagger = files("fastapi_swagger").joinpath("resources")
    for name in ("swagger-ui.css", "swagger-ui-bundle.js"):
        yield f"{_ASSETS}/{name}", read(swagger.joinpath(name))


def _showing(openapi_path: str, text: str) -> str:
    return text.replace("{openapi}", openapi_path)


def _demo() -> Iterator[tuple[str, File]]:
    yield DEMO_PATH, own("demo/index.html")
    for name in ("app.css", "app.js"):
        yield f"{DEMO_PATH}/{name}", own(f"demo/{name}")
