"""Rows of calls over HTTP, through the bridge, on SQLite."""

from typing import Final
from urllib.parse import urlencode

import httpx2

from bench import load, messages
from bench.answers import http_floor
from bench.driver import connected
from bench.load import Http
from bench.measure import Row, Wanted, ratio_row
from bench.plan import Bench
from bench.processes import bridge, server
from bench.rates import answers_per_second, changes_per_second, loading
from bench.stores import READER

_PATH: Final = "/v1/client/sync"
_CONNECTIONS: Final = 32
_PAGE: Final = 100
_LARGE_PAGE: Final = 1000
_FEW_CONNECTIONS: Final = 8
"""Enough to keep all processes busy with answers of this size."""
_AGAINST: Final = "FastAPI with a constant answer"


async def page(bench: Bench) -> list[Row]:
    """Measure pulls of a page of 100."""
    path = f"{_PATH}?{urlencode({'entity_type': messages.TYPE})}"
    return [await _pulls(bench, path, f"pull of a page of {_PAGE}, HTTP", _CONNECTIONS, Wanted(0.30, "at least"))]


async def page_rxdb(bench: Bench) -> list[Row]:
    """Measure pulls of a page of 1,000, as RxDB asks for them."""
    path = f"/rxdb/{messages.TYPE}/0/pull?lwt=0&id=&limit={_LARGE_PAGE}"
    name = f"pull of a page of {_LARGE_PAGE:,}, RxDB"
    return [await _pulls(bench, path, name, _FEW_CONNECTIONS, Wanted(0.50, "at least"))]


async def _pulls(bench: Bench, path: str, name: str, connections: int, wanted: Wanted) -> Row:
    """Measure pulls against a floor that answers with the same bytes."""
    seeded = await bench.stores.seeded("sqlite", bench.plan.store_entities)
    pulls = Http(path, "", [seeded.project.credentials(READER)], connections)
    async with server(seeded.project) as process, bridge(process.address) as subject:
        answer = await _answer(pulls, subject.address)
        async with http_floor(bench, pulled=answer) as constant:
            return await ratio_row(
                f"{name}, {connections} connections, sqlite",
                _AGAINST,
                wanted,
                "calls/s",
                bench.http_tool,
                bench.plan.rounds,
                await answers_per_second(bench, loading(bench, pulls, constant), answer),
                await answers_per_second(bench, loading(bench, pulls, subject, process), answer),
            )


async def push_one(bench: Bench) -> list[Row]:
    """Measure pushes of one change."""
    project = await bench.databases.project("sqlite")
    callers = [project.credentials(f"user{number}") for number in range(_CONNECTIONS)]
    pushes = Http(_PATH, messages.pushed_json(load.NEW_ID), callers, _CONNECTIONS)
    async with server(project) as process, bridge(process.address) as subject, connected(project) as counter:
        answer = await _answer(pushes, subject.address)
        async with http_floor(bench, pushed=answer) as constant:
            row = await ratio_row(
                f"push of 1 change, HTTP, {_CONNECTIONS} connections, sqlite",
                _AGAINST,
                Wanted(0.30, "at least"),
                "calls/s",
                bench.http_tool,
                bench.plan.rounds,
                await answers_per_second(bench, loading(bench, pushes, constant), answer),
                await changes_per_second(bench, loading(bench, pushes, subject, process), counter, 1),
            )
    return [row]


async def _answer(request: Http, address: str) -> bytes:
    """Return the bridge's answer to such a request."""
    method = "POST" if request.body else "GET"
    headers = [*request.callers[0], ("content-type", "application/json")]
    async with httpx2.AsyncClient(headers={"accept-encoding": "identity"}) as client:
        answer = await client.request(
            method, f"http://{address}{request.path}", headers=headers, content=request.body.encode()
        )
    answer.raise_for_status()
    return answer.content
