"""Which dialect a path belongs to, and how every failure below it becomes an answer in that dialect."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from syncline_bridge.dialects.dialect import Dialect
from syncline_bridge.failure import DEFECT, METHOD_NOT_ALLOWED, NOT_FOUND, Failure, RefusedError, invalid

_ROUTING_FAILURES = {404: NOT_FOUND, 405: METHOD_NOT_ALLOWED}


@dataclass(frozen=True, slots=True)
class FailureAnswers:
    """Render failures; paths that belong to no dialect speak the first one."""

    dialects: Sequence[Dialect]

    def __call__(self, path: str, failure: Failure) -> Response:
        """Render a failure for whoever called the path."""
        owner = next((dialect for dialect in self.dialects if dialect.owns(path)), self.dialects[0])
        return owner.answer_failure(failure)


def answer_failures(app: FastAPI, answers: FailureAnswers) -> None:
    """Have everything that can be raised below the application answered by the path's dialect."""

    async def answer(request: Request, error: Exception) -> Response:
        path = request.scope["path"]
        response = answers(path, _failure(error))
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
    paths = app.openapi()["paths"]
    described = paths.get(path) or paths.get(path.rstrip("/"), {})  # it lists no second spelling with a slash
    return sorted(method.upper() for method in described)
