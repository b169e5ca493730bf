"""How everything that can be raised below the application becomes an answer in the form of the path's area."""

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

from syncline_bridge.edge.areas import Areas
from syncline_bridge.failure import DEFECT, METHOD_NOT_ALLOWED, NOT_FOUND, Failure, RefusedError, invalid

_ROUTING_FAILURES = {404: NOT_FOUND, 405: METHOD_NOT_ALLOWED}


def answer_failures(app: FastAPI, areas: Areas) -> None:
    """Answer whatever the application raises."""

    async def answer(request: Request, error: Exception) -> Response:
        path = request.scope["path"]
        response = areas.answer_failure(path, _failure(error))
        if response.status_code == METHOD_NOT_ALLOWED.http_status:
            response.headers["allow"] = ", ".join(_methods(app, path))
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


def _methods(app: FastAPI, path: str) -> list[str]:
    """Name the methods of all routes at a path; Starlette's own header names those of the first only."""
    # FastAPI keeps the routes of included routers to itself; its description lists them.
    described = [
        methods for template, methods in app.openapi()["paths"].items() if compile_path(template)[0].match(path)
    ]
    served = {method.upper() for methods in described or [{"get": {}}] for method in methods}
    return sorted(served | ({"HEAD"} if "GET" in served else set()))
