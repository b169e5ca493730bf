"""Each operation stands in the document once, in words, with examples that are what really goes over the wire."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx2
import msgspec
import pytest

from bridge.bridged import Bridged
from syncline_bridge.dialects import DIALECTS
from syncline_bridge.dialects.checkpoint_sync import examples as checkpoint
from syncline_bridge.dialects.checkpoint_sync.models import ErrorAnswer, Streamed
from syncline_bridge.dialects.mutation_sync import examples as mutation

MODELS = {model.__name__: model for dialect in DIALECTS for model in dialect.models}
Document = Mapping[str, Any]


@pytest.fixture
async def document(bridged: Bridged) -> Document:
    described: Document = (await bridged.http.get("/openapi.json")).json()
    return described


def operations(document: Document) -> Iterator[tuple[str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def contents(operation: Document) -> Iterator[tuple[str, Document]]:
    for part in (operation.get("requestBody", {}), *operation["responses"].values()):
        yield from part.get("content", {}).items()


def model_names(schema: Document) -> list[str]:
    references = [schema, *schema.get("anyOf", [])]
    return [each["$ref"].rpartition("/")[2] for each in references if "$ref" in each]


def form(value: Any) -> Any:
    """Return which members something has, and of which kind, all the way down."""
    if isinstance(value, dict):
        return {name: form(member) for name, member in value.items()}
    return [form(one) for one in value[:1]] if isinstance(value, list) else type(value).__name__


def forms(shown: Mapping[int, Mapping[str, Any]], status: int) -> list[Any]:
    return [form(value) for value in shown[status].values()]


async def test_each_operation_is_there_once_and_names_its_other_paths(document: Document):
    shown = {name: one for name, one in operations(document) if "rxdb" not in one["tags"]}
    assert set(shown) == {
        *("GET /healthz", "GET /readyz", "POST /client/sync", "GET /client/sync", "GET /client/sync/stream"),
        *("POST /client/sync/ticket", "POST /client/entities", "GET /client/entities/{entity_type}/{entity_id}"),
        *("GET /v1/sync", "POST /v1/sync"),
    }
    for name, operation in shown.items():
        if "security" in operation:
            assert "Also at `/" in operation["description"], name


async def test_each_operation_and_each_dialect_is_said_in_words(document: Document):
    for name, operation in operations(document):
        assert len(operation["summary"].split()) >= 4, name
    assert len(document["info"]["description"].split()) > 50
    assert {tag["name"] for tag in document["tags"] if len(tag["description"].split()) >= 5} == {
        tag for _, operation in operations(document) for tag in operation["tags"]
    }


async def test_a_path_that_is_not_in_the_document_still_says_which_methods_it_takes(bridged: Bridged):
    answer = await bridged.http.delete("/v1/client/sync")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")


async def test_requests_answers_conflicts_errors_and_events_have_examples(document: Document):
    for name, operation in operations(document):
        if not {"checkpoint sync", "mutation sync"} & set(operation["tags"]):
            continue
        succeeded = operation["responses"]["200"]["content"]
        assert all(described["examples"] for described in succeeded.values()), name
        assert "requestBody" not in operation or all(
            len(described["examples"]) for described in operation["requestBody"]["content"].values()
        ), name
    for tag in ("checkpoint sync", "mutation sync"):
        described = [operation for _, operation in operations(document) if operation["tags"] == [tag]]
        failures = [
            status
            for operation in described
            for status, answer in operation["responses"].items()
            if any(content.get("examples") for content in answer.get("content", {}).values())
        ]
        assert [status for status in failures if status >= "400"], tag


async def test_each_example_is_what_its_schema_says(document: Document):
    checked = 0
    for name, operation in operations(document):
        for media_type, described in contents(operation):
            models = [MODELS[each] for each in model_names(described["schema"]) if each in MODELS]
            for sentence, example in described.get("examples", {}).items():
                if media_type == "application/json":
                    assert any(fits(example["value"], model) for model in models), f"{name}: {sentence}"
                    checked += 1
    assert checked > 20


def fits(value: Any, model: type[msgspec.Struct]) -> bool:
    try:
        msgspec.json.decode(json.dumps(value), type=model)
    except msgspec.ValidationError:
        return False
    return True


def test_the_examples_of_events_are_events():
    for text in checkpoint.STREAM.answers[200].values():
        assert text.endswith("\n\n")
        for block in text.strip("\n").split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines())
            if "data" in fields:
                found = msgspec.json.decode(
                    fields["data"], type=ErrorAnswer if fields.get("event") == "closed" else Streamed
                )
                assert not isinstance(found, Streamed) or found.checkpoint_token == fields["id"]


@pytest.fixture
def headers(bridged: Bridged, user: str) -> dict[str, str]:
    project, token = bridged.server.project, bridged.server.project.token(user)
    keys = dict.fromkeys(("x-api-key", "x-client-id"), project.client_key)
    return {**keys, "authorization": f"Bearer {token}"}


async def sent(http: httpx2.AsyncClient, method: str, path: str, **options: Any) -> tuple[int, Any]:
    answer = await http.request(method, path, **options)
    return answer.status_code, form(answer.json())


async def test_checkpoint_sync_answers_in_the_form_that_its_examples_show(bridged: Bridged, headers: dict[str, str]):
    http, answers = bridged.http, checkpoint.PUSH.answers
    first, stale, both = checkpoint.PUSH.requests.values()
    applied, conflict, with_deletion = forms(answers, 200)
    assert await sent(http, "POST", "/client/sync", json=first, headers=headers) == (200, applied)
    stale = {"changes": stale["changes"]}
    assert await sent(http, "POST", "/client/sync", json=stale, headers=headers) == (200, conflict)
    page, nothing, _ = forms(checkpoint.PULL.answers, 200)
    pull = "/client/sync?entity_type=todo"
    assert await sent(http, "GET", pull, headers=headers) == (200, page)
    token = (await http.get(pull, headers=headers)).json()["data"]["checkpoint_token"]
    assert await sent(http, "GET", f"{pull}&checkpoint_token={token}", headers=headers) == (200, nothing)
    assert await sent(http, "GET", f"{pull}&checkpoint_token=x", headers=headers) == (
        400,
        *forms(checkpoint.PULL.answers, 400),
    )
    [asked] = checkpoint.GET.requests.values()
    assert await sent(http, "POST", "/client/entities", json=asked, headers=headers) == (
        200,
        *forms(checkpoint.GET.answers, 200),
    )
    stored, deleted = forms(checkpoint.GET_ONE.answers, 200)
    one = "/client/entities/todo/milk"
    assert await sent(http, "GET", one, headers=headers) == (200, stored)
    assert (await sent(http, "POST", "/client/sync", json=both, headers=headers))[0] == 200
    assert await sent(http, "GET", one, headers=headers) == (200, deleted)
    assert await sent(http, "POST", "/client/sync", json=stale, headers=headers) == (200, with_deletion)
    assert await sent(http, "GET", "/client/entities/todo/none", headers=headers) == (
        404,
        *forms(checkpoint.GET_ONE.answers, 404),
    )
    assert await sent(http, "POST", "/client/sync/ticket", headers=headers) == (
        200,
        *forms(checkpoint.TICKET.answers, 200),
    )
    assert await sent(http, "GET", pull) == (401, *forms(checkpoint.PULL.answers, 401))
    [malformed] = answers[400].values()
    bad = {"changes": [{**first["changes"][0], "entity_type": "1todo"}]}
    answer = await http.post("/client/sync", json=bad, headers=headers)
    assert (answer.status_code, answer.json()) == (400, malformed)


async def test_mutation_sync_answers_in_the_form_that_its_examples_show(bridged: Bridged, headers: dict[str, str]):
    http = bridged.http
    create, _ = mutation.PUSH.requests.values()
    everything, _, nothing, head = forms(mutation.PULL.answers, 200)
    pull, push = "/v1/sync?mutationsSince=-1", "/v1/sync?lastMutationAt=-1"
    assert await sent(http, "GET", pull, headers=headers) == (200, nothing)
    assert await sent(http, "GET", f"{pull}&metadataOnly=true", headers=headers) == (200, head)
    bad = {"mutations": [{**create["mutations"][0], "resource": "BOOKMARKS"}]}
    assert await sent(http, "POST", push, json=bad, headers=headers) == (422, *forms(mutation.PUSH.answers, 422))
    assert await sent(http, "POST", push, json=create, headers=headers) == (200, *forms(mutation.PUSH.answers, 200))
    assert await sent(http, "POST", push, json=create, headers=headers) == (409, *forms(mutation.PUSH.answers, 409))
    assert await sent(http, "GET", pull, headers=headers) == (200, everything)
    assert await sent(http, "GET", pull) == (400, *forms(mutation.PULL.answers, 400))
