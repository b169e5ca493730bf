"""What a server says of itself on its metrics address."""

import re

import httpx2


async def open_streams(address: str) -> int:
    """Return how many streams its handlers serve."""
    async with httpx2.AsyncClient() as http:
        answer = await http.get(f"http://{address}/metrics")
    found = re.search(r"^syncline_streams (\S+)$", answer.text, re.MULTILINE)
    assert found is not None
    return int(float(found[1]))
