"""The floor of HTTP: FastAPI on uvicorn, whose handlers answer constant bytes.

Run as `python -m bench.floor_http PORT FOLDER`; the folder holds the answers, as the bridge gave them.
"""

import sys
from pathlib import Path
from typing import Final

import uvicorn
import uvloop
from fastapi import FastAPI
from starlette.responses import Response

PUSHED: Final = "pushed.json"
PULLED: Final = "pulled.json"
PATH: Final = "/v1/client/sync"


def constant(pushed: bytes, pulled: bytes) -> FastAPI:
    """Return the application."""
    app = FastAPI(openapi_url=None)

    @app.post(PATH)
    async def push() -> Response:
        return Response(pushed, media_type="application/json")

    @app.get("/rxdb/{collection}/{schema_version}/pull")
    @app.get(PATH)
    async def pull() -> Response:
        return Response(pulled, media_type="application/json")

    return app


async def serve(port: int, folder: Path) -> None:
    app = constant((folder / PUSHED).read_bytes(), (folder / PULLED).read_bytes())
    # Of the bridge's settings those that bear on speed.
    config = uvicorn.Config(
        app,
        port=port,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
    )
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
