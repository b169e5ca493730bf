"""What a server says of itself on its metrics address."""

import re

import httpx2


async def metric(address: str, name: str) -> float:
    """Return the value of a metric without labels."""
    async with httpx2.AsyncClient() as http:
        answer = await http.get(f"http://{address}/metrics")
    found = re.search(rf"^{name} (\S+)$", answer.text, re.MULTILINE)
    assert found is not None
    return float(found[1])


async def open_streams(address: str) -> int:
    """Return how many streams its handlers serve."""
    return int(await metric(address, "syncline_streams"))
