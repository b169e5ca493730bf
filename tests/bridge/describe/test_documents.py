"""Each dialect has a document of its own, which is the part of the whole that tells of it."""

import pytest

from bridge.bridged import Bridged, client_of_bridge_on
from syncline_bridge.dialects import DIALECTS


@pytest.mark.parametrize("name", [dialect.name for dialect in DIALECTS])
async def test_a_dialect_is_described_on_a_page_of_its_own(bridged: Bridged, name: str):
    slug = name.replace(" ", "-")
    page = (await bridged.http.get(f"/docs/{slug}", headers={"accept": "text/html"})).text
    assert f'data-openapi="/openapi/{slug}.json"' in page
    whole = (await bridged.http.get("/openapi.json")).json()
    part = (await bridged.http.get(f"/openapi/{slug}.json")).json()
    tags = {tag for item in part["paths"].values() for one in item.values() for tag in one["tags"]}
    assert tags == {name}
    assert part["paths"].items() <= whole["paths"].items()
    assert part["components"]["schemas"].items() <= whole["components"]["schemas"].items()
    named = {text.split('"')[0] for text in str(part).replace("'", '"').split("#/components/schemas/")[1:]}
    assert named <= part["components"]["schemas"].keys()
    assert part["components"]["securitySchemes"]


async def test_no_path_is_left_out(bridged: Bridged):
    whole = (await bridged.http.get("/openapi.json")).json()["paths"].keys()
    slugs = [dialect.name.replace(" ", "-") for dialect in DIALECTS]
    parts = [(await bridged.http.get(f"/openapi/{slug}.json")).json()["paths"].keys() for slug in slugs]
    assert whole - set().union(*parts) == {"/healthz", "/readyz"}


async def test_without_documentation_there_is_none_of_a_dialect():
    async with client_of_bridge_on("127.0.0.1:1", docs_enabled=False) as http:
        for path in ("/docs/rxdb", "/openapi/rxdb.json"):
            assert (await http.get(path)).status_code == 404
