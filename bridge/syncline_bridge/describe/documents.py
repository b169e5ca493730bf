"""Documents of one dialect each, beside the one of them all, and where they and the pages that show them are."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from syncline_bridge.describe.handling import tagged
from syncline_bridge.describe.openapi import DocumentedApp

OPENAPI_PATH: Final = "/openapi.json"
DOCS_PATH: Final = "/docs"


def documents(dialects: Iterable[str]) -> Mapping[str, str]:
    """Return where the document is that a page shows, by the path of the page: that of all, and one a dialect."""
    slugs = [name.replace(" ", "-") for name in dialects]
    return {DOCS_PATH: OPENAPI_PATH, **{f"{DOCS_PATH}/{slug}": f"/openapi/{slug}.json" for slug in slugs}}


def documents_of(app: DocumentedApp, dialects: Iterable[str]) -> APIRouter:
    """Serve the documents of single dialects."""
    router = APIRouter(include_in_schema=False)
    for name in dialects:
        path = documents([name])[f"{DOCS_PATH}/{name.replace(' ', '-')}"]
        router.add_api_route(path, _serving(app, name), methods=["GET"], response_model=None)
    return router


def _serving(app: DocumentedApp, dialect: str) -> Any:
    async def serve(request: Request) -> Response:
        return Response(json.dumps(_part(app.openapi(), dialect)), media_type="application/json")

    return tagged(serve)


def _part(whole: Mapping[str, Any], dialect: str) -> Mapping[str, Any]:
    """Return what a document says of one dialect, with the schemas and credentials that this names."""
    paths = {
        path: item for path, item in whole["paths"].items() if any(dialect in one["tags"] for one in item.values())
    }
    schemas: dict[str, Any] = {}
    while missing := _named(whole["components"]["schemas"], {"paths": paths, "schemas": schemas}) - schemas.keys():
        schemas |= {name: whole["components"]["schemas"][name] for name in missing}
    used = {name for item in paths.values() for one in item.values() for each in one["security"] for name in each}
    credentials = {name: one for name, one in whole["components"]["securitySchemes"].items() if name in used}
    components = {"schemas": schemas, "securitySchemes": credentials}
    info = {**whole["info"], "title": f"{whole['info']['title']}: {dialect}"}
    tags = [tag for tag in whole["tags"] if tag["name"] == dialect]
    return {**whole, "info": info, "tags": tags, "paths": paths, "components": components}


def _named(known: Iterable[str], part: Mapping[str, Any]) -> set[str]:
    text = json.dumps(part)
    return {name for name in known if f'"#/components/schemas/{name}"' in text}
