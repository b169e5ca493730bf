"""How values become answers: JSON bodies, and what goes with them."""

from collections.abc import Mapping

import msgspec
from starlette.responses import Response

from syncline_bridge.failure import Failure


def json_answer(body: msgspec.Struct, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with a struct as JSON."""
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json")


def failure_answer(body: msgspec.Struct, status: int, failure: Failure) -> Response:
    """Answer with a struct that words a failure, and with how long to wait where trying again may help."""
    return with_failure_headers(json_answer(body, status), failure)


def with_failure_headers(response: Response, failure: Failure) -> Response:
    """Add how long to wait, and which limit is used up, to the answer to a request that failed."""
    if failure.retry_after_seconds is not None:
        response.headers["retry-after"] = str(failure.retry_after_seconds)
    if failure.reason == "RATE_LIMITED":
        response.headers.update(_rate_limit(failure.details))
    return response


def _rate_limit(details: Mapping[str, int | str]) -> Mapping[str, str]:
    """Say which limit is used up, and for how long, in the fields that the IETF drafts for it."""
    scope, seconds = details.get("scope", "user"), str(details.get("window", "60s")).removesuffix("s")
    return {
        "ratelimit-policy": f'"{scope}";q={details.get("max", 0)};w={seconds}',
        "ratelimit": f'"{scope}";r=0;t={details.get("retry_after_seconds", 1)}',
    }
