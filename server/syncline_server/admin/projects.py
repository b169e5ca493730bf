"""The handlers of projects, their keys and their session secrets."""

from typing import Any, Final

from syncline.v1 import admin_pb2
from syncline_server.admin.calls import Calls, moment, seconds_of
from syncline_server.admin.paging import next_token, place_of, size_of
from syncline_server.identity.projects import KeyKind, secret_id
from syncline_server.operate import keys, looking, projects
from syncline_server.sync.errors import RequestInvalid

_DAY_SECONDS: Final = 86_400
_US: Final = 1_000_000
_KINDS: Final = {
    int(admin_pb2.KEY_KIND_CLIENT): KeyKind.CLIENT,
    int(admin_pb2.KEY_KIND_SERVER): KeyKind.SERVER,
}
_KIND_OF: Final = {kind: number for number, kind in _KINDS.items()}


class ProjectCalls(Calls):
    """See AdminService in admin.proto."""

    async def ListProjects(self, request: Any, context: Any) -> admin_pb2.ListProjectsResponse:  # noqa: N802  # the contract's name
        """List projects."""
        await self.viewer(context)
        (after,), size = place_of(request, ("",)), size_of(request)
        found = await looking.projects(self.desk.looked_at, after, size)
        answer = admin_pb2.ListProjectsResponse(next_page_token=next_token(found, size, lambda one: (one.name,)))
        for one in found:
            answer.projects.add(
                name=one.name,
                state=_state(one),
                create_time=moment(one.created_at_us),
                bound_devices=one.bound_devices,
                delete_time=moment(one.delete_at_us),
            )
        return answer

    async def GetProjectSize(self, request: Any, context: Any) -> admin_pb2.GetProjectSizeResponse:  # noqa: N802  # as above
        """Count."""
        await self.viewer(context)
        sizes = await looking.sizes(self.desk.looked_at, request.project)
        return admin_pb2.GetProjectSizeResponse(
            entities=sizes.entities - sizes.tombstones,
            tombstones=sizes.tombstones,
            size_bytes=sizes.size_bytes,
            head=sizes.head,
        )

    async def CreateProject(self, request: Any, context: Any) -> admin_pb2.CreateProjectResponse:  # noqa: N802  # as above
        """Make a project."""
        async with self.acting(context) as by:
            made = await projects.create(self.desk.maker(by), request.project)
        return admin_pb2.CreateProjectResponse(client_key=made.client_key.text, server_key=made.server_key.text)

    async def RenameProject(self, request: Any, context: Any) -> admin_pb2.RenameProjectResponse:  # noqa: N802  # as above
        """Rename a project."""
        async with self.acting(context) as by:
            maker = self.desk.maker(by)
            await projects.rename(maker, self.desk.looked_at, request.project, request.new_name)
            return admin_pb2.RenameProjectResponse()

    async def DisableProject(self, request: Any, context: Any) -> admin_pb2.DisableProjectResponse:  # noqa: N802  # as above
        """Disable a project."""
        async with self.acting(context) as by:
            maker = self.desk.maker(by)
            await projects.set_disabled(maker, self.desk.looked_at, request.project, disabled=True)
            return admin_pb2.DisableProjectResponse()

    async def EnableProject(self, request: Any, context: Any) -> admin_pb2.EnableProjectResponse:  # noqa: N802  # as above
        """Enable a project."""
        async with self.acting(context) as by:
            maker = self.desk.maker(by)
            await projects.set_disabled(maker, self.desk.looked_at, request.project, disabled=False)
            return admin_pb2.EnableProjectResponse()

    async def BindDevices(self, request: Any, context: Any) -> admin_pb2.BindDevicesResponse:  # noqa: N802  # as above
        """Bind devices, or free them."""
        async with self.acting(context) as by:
            maker = self.desk.maker(by)
            await projects.bind_devices(maker, self.desk.looked_at, request.project, bound=request.bound)
            return admin_pb2.BindDevicesResponse()

    async def DeleteProject(self, request: Any, context: Any) -> admin_pb2.DeleteProjectResponse:  # noqa: N802  # as above
        """Begin to delete a project."""
        async with self.acting(context) as by:
            maker = self.desk.maker(by)
            if request.confirm != request.project:
                raise RequestInvalid("confirm", "must be the name of the project: there is no way back")
            grace = seconds_of(request, "grace", _DAY_SECONDS) or 0
            delete_at_us = await projects.delete(maker, self.desk.looked_at, request.project, grace_seconds=grace)
            return admin_pb2.DeleteProjectResponse(delete_time=moment(delete_at_us))

    async def ListKeys(self, request: Any, context: Any) -> admin_pb2.ListKeysResponse:  # noqa: N802  # as above
        """List keys."""
        await self.viewer(context)
        (created, key_id), size = place_of(request, (0, "")), size_of(request)
        found = await looking.keys(self.desk.looked_at, request.project, (created, key_id), size)
        token = next_token(found, size, lambda one: (one.created_at_us, one.id))
        answer = admin_pb2.ListKeysResponse(next_page_token=token)
        for one in found:
            day = one.last_used_day
            answer.keys.add(
                id=one.id,
                kind=_KIND_OF[one.kind],
                name=one.name or "",
                create_time=moment(one.created_at_us),
                expire_time=moment(one.expires_at_us),
                revoke_time=moment(one.revoked_at_us),
                last_used_day=moment(None if day is None else day * _DAY_SECONDS * _US),
            )
        return answer

    async def CreateKey(self, request: Any, context: Any) -> admin_pb2.CreateKeyResponse:  # noqa: N802  # as above
        """Make a key."""
        async with self.acting(context) as by:
            maker = self.desk.maker(by)
            kind = _KINDS.get(request.kind)
            if kind is None:
                raise RequestInvalid("kind", "must be KEY_KIND_CLIENT or KEY_KIND_SERVER")
            ttl = seconds_of(request, "ttl", None)
            made = await keys.create(
                maker, self.desk.looked_at, request.project, kind, name=request.name, ttl_seconds=ttl
            )
            return admin_pb2.CreateKeyResponse(id=made.id, key=made.text)

    async def RotateKey(self, request: Any, context: Any) -> admin_pb2.RotateKeyResponse:  # noqa: N802  # as above
        """Rotate a key."""
        async with self.acting(context) as by:
            maker = self.desk.maker(by)
            overlap = seconds_of(request, "overlap", _DAY_SECONDS) or 0
            asked = (self.desk.looked_at, request.project, request.id)
            made = await keys.rotate(maker, *asked, overlap_seconds=overlap)
            return admin_pb2.RotateKeyResponse(id=made.id, key=made.text)

    async def RevokeKey(self, request: Any, context: Any) -> admin_pb2.RevokeKeyResponse:  # noqa: N802  # as above
        """Revoke a key."""
        async with self.acting(context) as by:
            maker = self.desk.maker(by)
            await keys.revoke(maker, self.desk.looked_at, request.project, request.id)
            return admin_pb2.RevokeKeyResponse()

    async def ListSessionSecrets(self, request: Any, context: Any) -> admin_pb2.ListSessionSecretsResponse:  # noqa: N802  # as above
        """List session secrets."""
        await self.viewer(context)
        found = await projects.named(self.desk.looked_at, request.project)
        answer = admin_pb2.ListSessionSecretsResponse()
        for secret in found.session_secrets:
            answer.secrets.add(id=secret_id(secret))
        return answer

    async def CreateSessionSecret(self, request: Any, context: Any) -> admin_pb2.CreateSessionSecretResponse:  # noqa: N802  # as above
        """Make a session secret."""
        async with self.acting(context) as by:
            maker = self.desk.maker(by)
            secret = await projects.new_session_secret(maker, self.desk.looked_at, request.project)
            return admin_pb2.CreateSessionSecretResponse(secret=secret)

    async def RetireSessionSecrets(self, request: Any, context: Any) -> admin_pb2.RetireSessionSecretsResponse:  # noqa: N802  # as above
        """Retire session secrets."""
        async with self.acting(context) as by:
            maker = self.desk.maker(by)
            retired = await projects.retire_session_secrets(maker, self.desk.looked_at, request.project)
            return admin_pb2.RetireSessionSecretsResponse(retired=retired)


def _state(project: looking.ListedProject) -> admin_pb2.ProjectState:
    if project.delete_at_us is not None:
        return admin_pb2.PROJECT_STATE_DELETING
    return admin_pb2.PROJECT_STATE_ACTIVE if project.disabled_at_us is None else admin_pb2.PROJECT_STATE_DISABLED
