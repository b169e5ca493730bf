"""What the bridge tells whoever watches over it: that it lives, and whether it can serve."""

from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from syncline_bridge.edge.answers import json_answer
from syncline_bridge.upstream import Upstream

LIVENESS_PATH = "/healthz"
READINESS_PATH = "/readyz"
PROBES = "health"


class Health(msgspec.Struct, frozen=True):
    """What a probe answers."""

    status: str
    details: Mapping[str, str] = {}


def probes(upstream: Upstream) -> APIRouter:
    """Serve the two probes."""
    router = APIRouter(tags=[PROBES])

    async def healthz() -> Response:
        """Tell that the process is alive. Does not call the server: restarting the bridge would not help it."""
        return json_answer(Health("alive"))

    async def readyz() -> Response:
        """Tell whether requests can be served, and what the server adds about itself."""
        readiness = await upstream.readiness()
        if readiness.serving:
            return json_answer(Health("ready", readiness.details))
        return json_answer(Health("unavailable", readiness.details), 503)

    ok: dict[int | str, dict[str, Any]] = {200: _documented("It is.")}
    router.add_api_route(LIVENESS_PATH, healthz, methods=["GET"], responses=ok, summary="Tell that it lives")
    router.add_api_route(
        READINESS_PATH,
        readyz,
        methods=["GET"],
        responses={**ok, 503: _documented("It cannot right now.")},
        summary="Tell whether it can serve",
    )
    return router


def _documented(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Health"}}},
    }
