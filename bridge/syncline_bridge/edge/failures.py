"""How everything that can be raised below the application becomes an answer in the form of the path's area."""

import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, compile_path

from syncline_bridge.edge.areas import Areas
from syncline_bridge.failure import DEFECT, METHOD_NOT_ALLOWED, NOT_FOUND, Failure, RefusedError, invalid

Methods: TypeAlias = Sequence[tuple[re.Pattern[str], frozenset[str]]]
"""What is served: patterns of paths, and the methods at each."""

_ROUTING_FAILURES = {404: NOT_FOUND, 405: METHOD_NOT_ALLOWED}


def answer_failures(app: FastAPI, areas: Areas, methods: Methods) -> None:
    """Answer whatever the application raises; `methods` are those served at each path."""

    async def answer(request: Request, error: Exception) -> Response:
        path = request.scope["path"]
        response = areas.answer_failure(path, _failure(error))
        if response.status_code == METHOD_NOT_ALLOWED.http_status:
            response.headers["allow"] = ", ".join(_methods(methods, path))
        return response

    for kind in (RefusedError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, answer)


def _failure(error: Exception) -> Failure:
    if isinstance(error, RefusedError):
        return error.failure
    if isinstance(error, HTTPException):
        return _ROUTING_FAILURES.get(error.status_code, DEFECT)
    if isinstance(error, RequestValidationError):
        return invalid("The request is malformed.")
    return DEFECT


def methods_of(routers: Iterable[APIRouter]) -> Methods:
    """Return which methods all the routes serve; Starlette's own header names those of the first route only."""
    routes = [route for router in routers for route in router.routes if isinstance(route, Route)]
    return [(compile_path(route.path)[0], frozenset(route.methods or ())) for route in routes]


def _methods(methods: Methods, path: str) -> list[str]:
    served = {method for pattern, those in methods if pattern.match(path) for method in those} or {"GET"}
    return sorted(served | ({"HEAD"} if "GET" in served else set()))
