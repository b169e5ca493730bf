"""Who may call the AdminService, and what a viewer may not see."""

import stat
from pathlib import Path

import pytest
from google.protobuf.empty_pb2 import Empty
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from harness import change, refused, settings_for, started_server
from server.admin.conftest import Deployment, calling
from syncline.v1 import admin_pb2
from syncline_server.admin.access import TABLE

SERVICE = admin_pb2.DESCRIPTOR.services_by_name["AdminService"]
OF_VIEWERS = {
    "GetStatus",
    "ListSettings",
    "ListServers",
    "GetMigration",
    "ListEpochs",
    "ListAudit",
    "ListProjects",
    "GetProjectSize",
    "ListKeys",
    "ListSessionSecrets",
    "ListOperators",
}
REQUESTS = {method.name: getattr(admin_pb2, method.input_type.name) for method in SERVICE.methods}


async def answered(stub: object, method: str) -> object:
    call = getattr(stub, method)(REQUESTS[method]())
    return await (call.read() if method == "StreamLog" else call)


async def test_without_a_key_in_force_nothing_is_answered(deployment: Deployment):
    async with deployment.stub() as stub:
        made = await stub.CreateOperator(
            admin_pb2.CreateOperatorRequest(name="eve", role=admin_pb2.OPERATOR_ROLE_OPERATOR)
        )
        await stub.RevokeOperator(admin_pb2.RevokeOperatorRequest(id=made.id))
    right = deployment.keys["operator"]
    for key in ("", "nonsense", deployment.server.project.server_key, right[:-1] + "x", made.key):
        async with calling(deployment.admin_address, key) as stub:
            told = await refused(stub.GetStatus(admin_pb2.GetStatusRequest()))
            assert (told.code, told.reason) == ("UNAUTHENTICATED", "OPERATOR_INVALID")
            assert key not in told.message or not key


async def test_a_viewer_may_look_at_the_deployment_and_do_nothing_else(deployment: Deployment):
    async with deployment.stub("viewer") as stub:
        for method in REQUESTS:
            if method in OF_VIEWERS:
                continue
            told = await refused(answered(stub, method))
            assert (method, told.code, told.reason) == (method, "PERMISSION_DENIED", "OPERATOR_REQUIRED")
        await stub.GetStatus(admin_pb2.GetStatusRequest())


def test_what_takes_an_operator_says_so_in_the_contract():
    text = (Path(__file__).parents[3] / "protos/syncline/v1/admin.proto").read_text()
    for name in REQUESTS:
        comment = text[: text.index(f"  rpc {name}(")].rpartition(";\n")[2].rpartition("{\n")[2]
        says = "Takes an operator" in " ".join(comment.replace("//", "").split())
        assert says is (name not in OF_VIEWERS), name


async def test_the_socket_is_its_owners_alone_and_needs_no_key(sqlite_url: str):
    async with started_server(settings_for(sqlite_url)):
        path = Path(sqlite_url.removeprefix("sqlite:///")).parent / "admin.sock"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        async with calling(f"unix:{path}") as stub:
            made = await stub.CreateProject(admin_pb2.CreateProjectRequest(project="other"))
            assert made.client_key.startswith("sl_client_")
            acts = (await stub.ListAudit(admin_pb2.ListAuditRequest(page_size=1))).acts
            assert [(act.by, act.act, act.project) for act in acts] == [("socket", "project.create", "other")]
    assert not path.exists()


async def test_with_postgresql_the_socket_is_in_the_runtime_folder(postgres_url: str, tmp_path: Path):
    folder = tmp_path / "run"
    settings = settings_for(postgres_url, runtime_dir=folder)
    async with started_server(settings) as server, started_server(settings, server.project):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        async with calling(f"unix:{folder / 'admin.sock'}") as stub:
            assert (await stub.GetStatus(admin_pb2.GetStatusRequest())).projects == 1


async def test_a_socket_whose_name_is_too_long_keeps_no_server_from_starting(sqlite_url: str, tmp_path: Path):
    folder = tmp_path / ("x" * 100)
    async with started_server(settings_for(sqlite_url, runtime_dir=folder)) as server, server.client() as client:
        await client.push(change())
    assert [path.name for path in folder.iterdir()] == ["admin.lock"]


async def test_the_listener_has_health_and_no_sync(deployment: Deployment):
    async with aio.insecure_channel(deployment.admin_address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="syncline.v1.AdminService")
        assert (await health.Check(request)).status == health_pb2.HealthCheckResponse.SERVING
        push = channel.unary_unary("/syncline.v1.SyncService/Push", request_serializer=Empty.SerializeToString)
        with pytest.raises(aio.AioRpcError, match="UNIMPLEMENTED"):
            await push(Empty())


def test_every_reason_of_the_contract_is_given_and_named_with_its_code():
    given = {reason for _, reason, _ in TABLE.values()}
    assert given == set(admin_pb2.AdminErrorReason.values()) - {0}
    assert len(given) == len(TABLE)
    text = (Path(__file__).parents[3] / "protos/syncline/v1/admin.proto").read_text()
    for code, reason, _ in TABLE.values():
        name = admin_pb2.AdminErrorReason.Name(reason)
        assert f"  // {code.name}: " in text[: text.index(f"  {name} = ")].rpartition(";\n")[2], name
