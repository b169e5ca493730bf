"""What the bridge says of this dialect at /openapi.json, and to browsers on other origins."""

from bridge.bridged import Bridged, client_of_bridge_on
from bridge.dialects.mutation_sync.app import MEMBERS, PAGE_MEMBERS


async def test_both_requests_are_described(bridged: Bridged) -> None:
    described = (await bridged.http.get("/openapi.json")).json()
    pull, push = described["paths"]["/v1/sync"]["get"], described["paths"]["/v1/sync"]["post"]
    names = [parameter["name"] for parameter in pull["parameters"]]
    assert names == ["mutationsSince", "resources", "metadataOnly", "limit", "page", "cursor", "If-None-Match"]
    assert [parameter["name"] for parameter in push["parameters"]] == ["lastMutationAt", "Idempotency-Key"]
    assert set(push["responses"]) > {"200", "400", "401", "403", "404", "409", "422", "429", "500", "502", "503", "504"}
    assert "X-Mutation-At" in push["responses"]["200"]["headers"]
    assert push["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/MutationBatch"
    }


async def test_the_schemas_name_every_member(bridged: Bridged) -> None:
    schemas = (await bridged.http.get("/openapi.json")).json()["components"]["schemas"]
    assert set(schemas["Mutation"]["properties"]) == set(schemas["Mutation"]["required"]) == MEMBERS
    assert set(schemas["MutationPage"]["required"]) == PAGE_MEMBERS
    assert set(schemas["PushedMutation"]["properties"]) == MEMBERS - {"timestamp"}
    numbers = [schemas["MutationPage"]["properties"][name]["type"] for name in ("lastMutationAt", "page", "total")]
    assert numbers == ["integer"] * 3


async def test_browsers_may_send_its_headers_and_see_the_head() -> None:
    asked = {
        "origin": "https://app.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-auth-token,x-client-id,idempotency-key",
    }
    async with client_of_bridge_on("127.0.0.1:1", cors_origins=("https://app.example",)) as http:
        assert (await http.options("/v1/sync", headers=asked)).status_code == 200
        answer = await http.get("/v1/sync?mutationsSince=0", headers={"origin": "https://app.example"})
        assert "X-Mutation-At" in answer.headers["access-control-expose-headers"]
