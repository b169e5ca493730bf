"""The handlers of the deployment as a whole: how it does, its servers, its history, its operators."""

from statistics import median, quantiles
from typing import Any, Final

from syncline.v1 import admin_pb2
from syncline_server.admin.calls import Calls, duration, moment
from syncline_server.admin.paging import next_token, place_of, size_of
from syncline_server.identity.operators import Role
from syncline_server.operate import checkpoint_keys, epochs, looking, migration, operators
from syncline_server.sync.errors import RequestInvalid

_US: Final = 1_000_000
_ROLES: Final = {
    int(admin_pb2.OPERATOR_ROLE_VIEWER): Role.VIEWER,
    int(admin_pb2.OPERATOR_ROLE_OPERATOR): Role.OPERATOR,
}
_ROLE_OF: Final = {role: number for number, role in _ROLES.items()}


class DeploymentCalls(Calls):
    """See AdminService in admin.proto."""

    async def GetStatus(self, request: Any, context: Any) -> admin_pb2.GetStatusResponse:  # noqa: N802  # the contract's name
        """Tell how the deployment does."""
        await self.viewer(context)
        standing, process = await self.desk.standing(), self.tools.process
        answer = admin_pb2.GetStatusResponse(
            version=process.version,
            database=standing.database,
            schema=standing.schema,
            start_time=moment(int(process.started_at * _US)),
            ready=process.is_ready(),
            health=process.health(),
            projects=standing.projects,
            epoch_number=standing.epoch_number,
            streams=process.streams(),
            waiting_pushes=process.waiting_pushes(),
            servers=max(standing.servers, 1),
        )
        if len(taken := process.commit_seconds()) > 1:
            answer.commit_median.CopyFrom(duration(median(taken)))
            answer.commit_p99.CopyFrom(duration(quantiles(taken, n=100, method="inclusive")[-1]))
        return answer

    async def ListSettings(self, request: Any, context: Any) -> admin_pb2.ListSettingsResponse:  # noqa: N802  # as above
        """List settings."""
        await self.viewer(context)
        answer = admin_pb2.ListSettingsResponse()
        for one in self.tools.process.settings:
            answer.settings.add(name=one.name, value=one.value, origin=one.origin, about=one.about)
        return answer

    async def ListServers(self, request: Any, context: Any) -> admin_pb2.ListServersResponse:  # noqa: N802  # as above
        """List live servers."""
        await self.viewer(context)
        answer = admin_pb2.ListServersResponse()
        for one in await looking.servers(self.desk.engines):
            answer.servers.add(
                id=one.id,
                version=one.version,
                schema=one.schema,
                address=one.address,
                start_time=moment(one.started_at_us),
                heard_time=moment(one.heard_at_us),
            )
        return answer

    async def GetMigration(self, request: Any, context: Any) -> admin_pb2.GetMigrationResponse:  # noqa: N802  # as above
        """Tell how far the migration has come."""
        await self.viewer(context)
        found = await migration.status(self.desk.engines)
        return admin_pb2.GetMigrationResponse(
            schema=found.schema or "",
            finished=found.finished,
            projects_left=found.projects_left,
            rows_left=found.rows_left,
            older_servers=found.older_servers,
            waits_for=found.waits_for,
        )

    async def ListEpochs(self, request: Any, context: Any) -> admin_pb2.ListEpochsResponse:  # noqa: N802  # as above
        """List epochs."""
        await self.viewer(context)
        (after,), size = place_of(request, (0,)), size_of(request)
        found = await looking.epochs(self.desk.looked_at, after, size)
        answer = admin_pb2.ListEpochsResponse(next_page_token=next_token(found, size, lambda one: (one.number,)))
        answer.epochs.extend(map(_epoch, found))
        return answer

    async def BeginEpoch(self, request: Any, context: Any) -> admin_pb2.BeginEpochResponse:  # noqa: N802  # as above
        """Begin an epoch."""
        async with self.acting(context) as by:
            begun = await epochs.begin(self.desk.engines, by)
        return admin_pb2.BeginEpochResponse(epoch=_epoch(begun))

    async def RotateCheckpointKey(self, request: Any, context: Any) -> admin_pb2.RotateCheckpointKeyResponse:  # noqa: N802  # as above
        """Make a key of checkpoint tokens."""
        async with self.acting(context) as by:
            made = await checkpoint_keys.rotate(self.desk.engines, by)
        return admin_pb2.RotateCheckpointKeyResponse(id=made)

    async def ListAudit(self, request: Any, context: Any) -> admin_pb2.ListAuditResponse:  # noqa: N802  # as above
        """List acts."""
        is_viewer = await self.viewer(context)
        (at_us, act_id), size = place_of(request, looking.NEWEST), size_of(request)
        found = await looking.audit(self.desk.looked_at, request.project, (at_us, act_id), size)
        token = next_token(found, size, lambda one: (one.at_us, one.id))
        answer = admin_pb2.ListAuditResponse(next_page_token=token)
        for one in found:
            names_user = one.act.startswith(looking.OF_DATA)
            subject = "" if is_viewer and names_user else one.subject
            answer.acts.add(time=moment(one.at_us), by=one.by, act=one.act, project=one.project, subject=subject)
        return answer

    async def ListOperators(self, request: Any, context: Any) -> admin_pb2.ListOperatorsResponse:  # noqa: N802  # as above
        """List operators."""
        await self.viewer(context)
        (created, operator_id), size = place_of(request, (0, "")), size_of(request)
        found = await operators.recorded(self.desk.looked_at, (created, operator_id), size)
        token = next_token(found, size, lambda one: (one.created_at_us, one.id))
        answer = admin_pb2.ListOperatorsResponse(next_page_token=token)
        for one in found:
            answer.operators.add(
                id=one.id,
                name=one.name,
                role=_ROLE_OF[one.role],
                create_time=moment(one.created_at_us),
                revoke_time=moment(one.revoked_at_us),
            )
        return answer

    async def CreateOperator(self, request: Any, context: Any) -> admin_pb2.CreateOperatorResponse:  # noqa: N802  # as above
        """Make an operator."""
        async with self.acting(context) as by:
            maker = self.desk.operators(by)
            role = _ROLES.get(request.role)
            if role is None:
                raise RequestInvalid("role", "must be OPERATOR_ROLE_VIEWER or OPERATOR_ROLE_OPERATOR")
            made = await operators.create(maker, request.name, role)
            return admin_pb2.CreateOperatorResponse(id=made.id, key=made.text)

    async def RevokeOperator(self, request: Any, context: Any) -> admin_pb2.RevokeOperatorResponse:  # noqa: N802  # as above
        """End the key of an operator."""
        async with self.acting(context) as by:
            await operators.revoke(self.desk.operators(by), request.id)
        return admin_pb2.RevokeOperatorResponse()


def _epoch(epoch: looking.RecordedEpoch) -> admin_pb2.Epoch:
    began = moment(epoch.started_at_us)
    return admin_pb2.Epoch(number=epoch.number, id=epoch.id, start_time=began, cause=epoch.cause)
