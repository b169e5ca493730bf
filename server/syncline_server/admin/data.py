"""The handlers of what users have: their list, their devices, their entities, the log."""

import time
from collections.abc import AsyncIterator
from typing import Any, Final

from syncline import words
from syncline.v1 import admin_pb2, sync_pb2
from syncline_server.admin.access import NoEntity
from syncline_server.admin.calls import Calls, duration, moment
from syncline_server.admin.paging import next_token, place_of, size_of, token_of
from syncline_server.identity.ids import check_id
from syncline_server.operate import looking, projects
from syncline_server.rpc.changes import ENTITY_TYPE_PROBLEM
from syncline_server.sync.circle import FROM_START
from syncline_server.sync.errors import RequestInvalid
from syncline_server.sync.reading import PageSize, Reading

_US: Final = 1_000_000
_PAGE_BYTES: Final = 2 * 1024 * 1024


class DataCalls(Calls):
    """See AdminService in admin.proto; all of it takes an operator."""

    async def ListUsers(self, request: Any, context: Any) -> admin_pb2.ListUsersResponse:  # noqa: N802  # the contract's name
        """List users."""
        await self.operator(context)
        (after,), size = place_of(request, ("",)), size_of(request)
        found = await looking.users(self.desk.looked_at, request.project, request.prefix, after, size)
        answer = admin_pb2.ListUsersResponse(next_page_token=next_token(found, size, lambda one: (one.user_id,)))
        for one in found:
            answer.users.add(id=one.user_id, head=one.head, entities=one.entities, size_bytes=one.size_bytes)
        return answer

    async def ListDevices(self, request: Any, context: Any) -> admin_pb2.ListDevicesResponse:  # noqa: N802  # as above
        """List devices."""
        await self.operator(context)
        (user, device, kind), size = place_of(request, ("", "", "")), size_of(request)
        found = await looking.devices(self.desk.looked_at, request.project, (user, device, kind), size)
        token = next_token(found, size, lambda one: (one.user_id, one.session_key, one.entity_type))
        answer = admin_pb2.ListDevicesResponse(next_page_token=token)
        now = time.time()
        for one in found:
            unread = one.unread_revision
            answer.devices.add(
                user_id=one.user_id,
                id=one.session_key,
                entity_type=one.entity_type,
                revision=one.revision,
                expire_time=moment(one.expires_at_us),
                lag=None if unread is None else duration(max(now - unread / _US, 0.0)),
            )
        return answer

    async def GetEntity(self, request: Any, context: Any) -> admin_pb2.GetEntityResponse:  # noqa: N802  # as above
        """Read an entity."""
        by = await self.operator(context)
        named = (request.project, request.user_id, request.entity_type, request.entity_id)
        found = await looking.entity(self.desk.looked_at, *named)
        if found is None:
            raise NoEntity
        await looking.record_look(self.desk.engines, by, "entity", request.project, request.user_id)
        sent = moment(found.client_timestamp_us)
        return admin_pb2.GetEntityResponse(
            change=sync_pb2.Change(
                entity_type=found.entity_type,
                entity_id=found.entity_id,
                action=_action(found),
                data=found.data.encode(),
                user_id=found.user_id,
                revision=found.revision,
                created_revision=found.created_revision,
                client_timestamp=sent,
            ),
            commit_time=moment(found.committed_ms * 1000),
            sent_time=sent,
            session=found.session,
        )

    async def ListLog(self, request: Any, context: Any) -> bytes:  # noqa: N802  # as above
        """Read a page of a log."""
        by = await self.operator(context)
        (after,), size = place_of(request, (0,)), size_of(request)
        reading = await self._reading(request, after)
        page = await self.tools.puller.pull(reading, PageSize(size, _PAGE_BYTES))
        await looking.record_look(self.desk.engines, by, "log", request.project, request.user_id)
        token = token_of((page.checkpoint.revision,)) if page.has_more else ""
        return page.changes + admin_pb2.ListLogResponse(next_page_token=token).SerializeToString()

    async def StreamLog(self, request: Any, context: Any) -> None:  # noqa: N802  # as above
        """Read a log and follow it."""
        by = await self.operator(context)
        if not 0 <= request.after_revision <= words.MAX_REVISION:
            raise RequestInvalid("after_revision", f"must be 0 to {words.MAX_REVISION}")
        reading = await self._reading(request, request.after_revision)
        await looking.record_look(self.desk.engines, by, "log", request.project, request.user_id)
        await context.send_initial_metadata(())
        async for message in self._pieces(reading, follow=request.follow):
            await context.write(message)

    async def _pieces(self, reading: Reading, *, follow: bool) -> AsyncIterator[bytes]:
        pieces = self.tools.feed.follow(reading, follow=follow)
        try:
            async for piece in pieces:
                yield piece.page.changes + _rest(caught_up=piece.caught_up)
        finally:
            await pieces.aclose()

    async def _reading(self, request: Any, after: int) -> Reading:
        if request.user_id:
            check_id("user_id", request.user_id)
        if len(request.entity_types) > words.MAX_ENTITY_TYPES:
            limit = words.MAX_ENTITY_TYPES
            raise RequestInvalid("entity_types", f"must be at most {limit}", limit=limit)
        for index, entity_type in enumerate(request.entity_types):
            if not words.match_entity_type(entity_type):
                raise RequestInvalid(f"entity_types[{index}]", ENTITY_TYPE_PROBLEM)
        project = await projects.named(self.desk.looked_at, request.project)
        return Reading(
            project_id=project.id,
            user_id=request.user_id or None,
            session_key="",
            entity_types=tuple(dict.fromkeys(request.entity_types)),
            checkpoint=FROM_START._replace(revision=after),
            is_plain=True,
        )


def _rest(*, caught_up: bool) -> bytes:
    return admin_pb2.StreamLogResponse(caught_up=caught_up).SerializeToString()


def _action(entity: looking.StoredEntity) -> sync_pb2.Action:
    if entity.deleted:
        return sync_pb2.ACTION_DELETE
    return sync_pb2.ACTION_CREATE if entity.created_revision == entity.revision else sync_pb2.ACTION_UPDATE
