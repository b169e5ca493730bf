"""How the bridge reaches its server over networks that are not what they should be."""

from pathlib import Path

from bridge.bridged import client_of_bridge_on
from bridge.dialects.checkpoint_sync.app import PATH
from faults.proxy import Proxy
from harness import settings_for, started_server

DELAY_SECONDS = 0.15
"""Each way; more than gRPC's pause between attempts to connect."""


async def test_a_slow_way_to_the_server_is_only_slow(tmp_path: Path):
    async with (
        started_server(settings_for(f"sqlite:///{tmp_path / 'syncline.db'}")) as server,
        Proxy(server.address) as proxy,
        client_of_bridge_on(proxy.address) as http,
    ):
        proxy.weather.delay_seconds = DELAY_SECONDS
        headers = {"x-api-key": server.project.client_key, "authorization": f"Bearer {server.project.token()}"}
        response = await http.get(PATH, params={"entity_type": "todo"}, headers=headers, timeout=30)
        assert response.status_code == 200, response.text
