"""What an operator does and sees over gRPC, beside the clients of the server."""

import json

from google.protobuf.duration_pb2 import Duration

from harness import change, ids, now_ms, refused
from server.admin.conftest import Deployment
from syncline.v1 import admin_pb2, sync_pb2


async def fill(deployment: Deployment) -> None:
    """Let three users write, one of them from a device that has not read everything."""
    for user in ("ada", "bob", "bobby"):
        async with deployment.server.client(user, device="phone") as client:
            pushed = await client.push(change(entity_id="a", data={"of": user}), change(entity_id="b"))
            await client.pull(checkpoint_token=pushed.checkpoint_token)
    async with deployment.server.client("ada", device="laptop") as laptop:
        await laptop.push(change("delete", "b"))


async def test_status_tells_of_the_process_and_the_database(deployment: Deployment):
    async with deployment.server.client() as client, deployment.stub("viewer") as stub:
        for number in range(3):
            await client.push(change(entity_id=f"e{number}"))
        stream = client.stream(follow=True)
        await stream.read()
        status = await stub.GetStatus(admin_pb2.GetStatusRequest())
        stream.cancel()
    assert (status.ready, status.projects, status.schema, status.streams) == (True, 1, "0004", 1)
    assert 0 < status.commit_median.ToMicroseconds() <= status.commit_p99.ToMicroseconds() < 10_000_000
    assert abs(status.start_time.ToMilliseconds() - now_ms()) < 120_000
    assert status.health["x-syncline-writes"] == "ok"
    assert status.epoch_number >= 2
    assert "?" not in status.database  # where the rest of it says how to reach it


async def test_settings_are_told_with_their_origin_and_no_secret(deployment: Deployment):
    async with deployment.stub("viewer") as stub:
        found = {one.name: one for one in (await stub.ListSettings(admin_pb2.ListSettingsRequest())).settings}
    assert (found["SYNCLINE_MAX_PUSH_CHANGES"].origin, found["SYNCLINE_MAX_PUSH_CHANGES"].value) == ("default", "1000")
    assert found["SYNCLINE_ADMIN_ADDRESS"].origin == "option"
    assert found["SYNCLINE_ADMIN_ADDRESS"].about


async def test_a_project_lives_and_ends_through_the_service(deployment: Deployment):
    named = {"project": "app"}
    async with deployment.stub() as stub:
        await stub.CreateProject(admin_pb2.CreateProjectRequest(**named))
        told = await refused(stub.CreateProject(admin_pb2.CreateProjectRequest(**named)))
        assert (told.code, told.reason) == ("ALREADY_EXISTS", "PROJECT_EXISTS")
        await stub.DisableProject(admin_pb2.DisableProjectRequest(**named))
        assert (await listed(stub))["app"].state == admin_pb2.PROJECT_STATE_DISABLED
        await stub.EnableProject(admin_pb2.EnableProjectRequest(**named))
        await stub.BindDevices(admin_pb2.BindDevicesRequest(**named, bound=True))
        await stub.RenameProject(admin_pb2.RenameProjectRequest(**named, new_name="zoo"))
        zoo = (await listed(stub))["zoo"]
        assert (zoo.state, zoo.bound_devices) == (admin_pb2.PROJECT_STATE_ACTIVE, True)
        told = await refused(stub.DeleteProject(admin_pb2.DeleteProjectRequest(project="zoo", confirm="app")))
        assert [field for field, _ in told.violations] == ["confirm"]
        deletion = admin_pb2.DeleteProjectRequest(project="zoo", confirm="zoo", grace=Duration(seconds=3600))
        answer = await stub.DeleteProject(deletion)
        assert 3500 < answer.delete_time.ToSeconds() - now_ms() // 1000 < 3700
        assert (await listed(stub))["zoo"].state == admin_pb2.PROJECT_STATE_DELETING
        told = await refused(stub.DisableProject(admin_pb2.DisableProjectRequest(project="zoo")))
        assert (told.code, told.reason) == ("FAILED_PRECONDITION", "PROJECT_DELETING")
        told = await refused(stub.ListKeys(admin_pb2.ListKeysRequest(**named)))
        assert (told.code, told.reason) == ("NOT_FOUND", "PROJECT_NOT_FOUND")


async def listed(stub: object) -> dict[str, admin_pb2.Project]:
    found = await stub.ListProjects(admin_pb2.ListProjectsRequest())  # type: ignore[attr-defined]
    return {one.name: one for one in found.projects}


async def test_keys_and_secrets_are_made_and_ended_and_never_shown_again(deployment: Deployment):
    async with deployment.stub() as stub:
        made = await stub.CreateKey(
            admin_pb2.CreateKeyRequest(project="notes", kind=admin_pb2.KEY_KIND_SERVER, name="billing")
        )
        rotated = await stub.RotateKey(
            admin_pb2.RotateKeyRequest(project="notes", id=made.id, overlap=Duration(seconds=60))
        )
        await stub.RevokeKey(admin_pb2.RevokeKeyRequest(project="notes", id=rotated.id))
        told = await refused(stub.RevokeKey(admin_pb2.RevokeKeyRequest(project="notes", id=rotated.id)))
        assert (told.code, told.reason) == ("NOT_FOUND", "KEY_NOT_FOUND")
        secret = (await stub.CreateSessionSecret(admin_pb2.CreateSessionSecretRequest(project="notes"))).secret
        keys = await stub.ListKeys(admin_pb2.ListKeysRequest(project="notes"))
        secrets = await stub.ListSessionSecrets(admin_pb2.ListSessionSecretsRequest(project="notes"))
        retired = await stub.RetireSessionSecrets(admin_pb2.RetireSessionSecretsRequest(project="notes"))
    found = {one.id: one for one in keys.keys}
    assert (len(found), found[made.id].name) == (4, "billing")
    assert found[made.id].HasField("expire_time")
    assert found[rotated.id].HasField("revoke_time")
    assert (len(secrets.secrets), retired.retired) == (2, 1)
    shown = f"{keys}{secrets}"
    assert not [
        one for one in (made.key, rotated.key, secret, deployment.server.project.session_secret) if one in shown
    ]


async def test_users_are_found_by_the_beginning_of_their_ids_page_by_page(deployment: Deployment):
    await fill(deployment)
    async with deployment.stub() as stub:
        users = (await stub.ListUsers(admin_pb2.ListUsersRequest(project="notes"))).users
        assert [(one.id, one.entities) for one in users] == [("ada", 1), ("bob", 2), ("bobby", 2)]
        assert users[1].size_bytes == len(json.dumps({"of": "bob"})) + 2
        found, token = [], ""
        while True:
            page = await stub.ListUsers(
                admin_pb2.ListUsersRequest(project="notes", prefix="bo", page_size=1, page_token=token)
            )
            found += [one.id for one in page.users]
            token = page.next_page_token
            if not token:
                break
        assert found == ["bob", "bobby"]


async def test_devices_are_told_with_how_far_behind_they_are(deployment: Deployment):
    await fill(deployment)
    async with deployment.stub() as stub:
        devices = (await stub.ListDevices(admin_pb2.ListDevicesRequest(project="notes"))).devices
    assert [one.user_id for one in devices] == sorted(one.user_id for one in devices)
    lags = {one.user_id: one.lag.ToSeconds() for one in devices if one.HasField("lag")}
    assert set(lags) == {"ada"}
    assert 0 <= lags["ada"] < 120


async def test_an_entity_is_shown_and_who_looked_is_recorded(deployment: Deployment):
    await fill(deployment)
    named = {"project": "notes", "user_id": "ada", "entity_type": "todo"}
    async with deployment.stub() as stub:
        found = await stub.GetEntity(admin_pb2.GetEntityRequest(**named, entity_id="a"))
        assert json.loads(found.change.data) == {"of": "ada"}
        assert (found.session, found.change.action) == ("device:phone", sync_pb2.ACTION_CREATE)
        gone = await stub.GetEntity(admin_pb2.GetEntityRequest(**named, entity_id="b"))
        assert (gone.session, gone.change.action) == ("device:laptop", sync_pb2.ACTION_DELETE)
        told = await refused(stub.GetEntity(admin_pb2.GetEntityRequest(**named, entity_id="never")))
        assert (told.code, told.reason) == ("NOT_FOUND", "NO_ENTITY")
        acts = (await stub.ListAudit(admin_pb2.ListAuditRequest(project="notes", page_size=1))).acts
        assert [(act.by, act.act, act.subject) for act in acts] == [("operator:operator", "data.entity", "ada")]
    async with deployment.stub("viewer") as stub:
        acts = (await stub.ListAudit(admin_pb2.ListAuditRequest(project="notes", page_size=1))).acts
        assert [(act.act, act.subject) for act in acts] == [("data.entity", "")]


async def test_the_log_is_paged_and_streamed(deployment: Deployment):
    await fill(deployment)
    async with deployment.stub() as stub:
        found: list[sync_pb2.Change] = []
        token = ""
        while True:
            page = await stub.ListLog(admin_pb2.ListLogRequest(project="notes", page_size=2, page_token=token))
            found += page.changes
            token = page.next_page_token
            if not token:
                break
        revisions = [one.revision for one in found]
        assert len(revisions) == 6
        assert revisions == sorted(set(revisions))
        of_bob = await stub.ListLog(admin_pb2.ListLogRequest(project="notes", user_id="bob"))
        assert {one.user_id for one in of_bob.changes} == {"bob"}
        request = admin_pb2.StreamLogRequest(project="notes", after_revision=revisions[-1], follow=True)
        stream = stub.StreamLog(request)
        assert (await stream.read()).caught_up
        async with deployment.server.client("ada") as ada:
            await ada.push(change(entity_id="live"))
        while not (piece := await stream.read()).changes:
            pass
        assert ids(piece.changes) == ["live"]
        stream.cancel()


async def test_the_deployment_is_told_in_lists(deployment: Deployment):
    async with deployment.stub() as stub:
        begun = (await stub.BeginEpoch(admin_pb2.BeginEpochRequest())).epoch
        assert begun.cause == "command"
        first = await stub.ListEpochs(admin_pb2.ListEpochsRequest(page_size=2))
        rest = await stub.ListEpochs(admin_pb2.ListEpochsRequest(page_token=first.next_page_token))
        assert [one.number for one in (*first.epochs, *rest.epochs)] == [1, 2, 3]
        assert rest.epochs[-1] == begun
        assert (await stub.RotateCheckpointKey(admin_pb2.RotateCheckpointKeyRequest())).id
        migration = await stub.GetMigration(admin_pb2.GetMigrationRequest())
        assert (migration.schema, migration.finished, migration.waits_for) == ("0004", True, "")
        operators = (await stub.ListOperators(admin_pb2.ListOperatorsRequest())).operators
        assert sorted(one.name for one in operators) == ["operator", "viewer"]
        size = await stub.GetProjectSize(admin_pb2.GetProjectSizeRequest(project="notes"))
        assert (size.entities, size.head) == (0, 0)


MALFORMED = [
    (admin_pb2.ListProjectsRequest(page_size=201), "page_size"),
    (admin_pb2.ListProjectsRequest(page_token="bm9uc2Vuc2U="), "page_token"),
    (admin_pb2.ListProjectsRequest(page_token="\u00fc"), "page_token"),
    (admin_pb2.ListEpochsRequest(page_token="WyJhIl0="), "page_token"),
    (admin_pb2.CreateProjectRequest(project="two words"), "name"),
    (admin_pb2.CreateKeyRequest(project="notes"), "kind"),
    (admin_pb2.CreateOperatorRequest(name="eve"), "role"),
    (admin_pb2.GetEntityRequest(project="notes"), "user_id"),
    (admin_pb2.RotateKeyRequest(project="notes", overlap=Duration(seconds=-1)), "overlap"),
    (admin_pb2.ListLogRequest(project="notes", entity_types=["not a type"]), "entity_types[0]"),
]


async def test_a_malformed_request_names_its_field_and_changes_nothing(deployment: Deployment):
    async with deployment.stub() as stub:
        before = await stub.ListAudit(admin_pb2.ListAuditRequest())
        for request, field in MALFORMED:
            method = type(request).__name__.removesuffix("Request")
            told = await refused(getattr(stub, method)(request))
            named = [violation for violation, _ in told.violations]
            assert (method, told.code, told.reason, named) == (method, "INVALID_ARGUMENT", "REQUEST_INVALID", [field])
        assert await stub.ListAudit(admin_pb2.ListAuditRequest()) == before
