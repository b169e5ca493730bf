"""Who calls the AdminService: whoever may open its socket, or the holder of an operator's key."""

import hmac
from collections.abc import Mapping
from typing import Any, Final, Protocol

import grpc
from grpc import StatusCode

from syncline.refusals import Refusals
from syncline.v1 import admin_pb2
from syncline_server.identity.credentials import credentials_of
from syncline_server.identity.operators import NoSuchOperator, Operator, Operators, Role, operator_id_of
from syncline_server.identity.projects import NoSuchKey, NoSuchProject, ProjectDeleting, ProjectExists, hash_key
from syncline_server.rpc.peers import Peers
from syncline_server.rpc.status import named_status

_NO_HASH: Final = bytes(32)


class OperatorInvalid(Exception):
    """There is no operator's key in a call, or it is not in force."""


class OperatorRequired(Exception):
    """A viewer asked for what takes an operator."""


class NoEntity(Exception):
    """There never was such an entity."""


TABLE: Final[Mapping[type[Exception], tuple[StatusCode, admin_pb2.AdminErrorReason, str]]] = {
    OperatorInvalid: (
        StatusCode.UNAUTHENTICATED,
        admin_pb2.ADMIN_ERROR_REASON_OPERATOR_INVALID,
        "authorization: an operator's key is needed, as `Bearer sl_operator_…`, and has to be in force",
    ),
    OperatorRequired: (
        StatusCode.PERMISSION_DENIED,
        admin_pb2.ADMIN_ERROR_REASON_OPERATOR_REQUIRED,
        "This takes the role operator; the key is a viewer's.",
    ),
    NoSuchProject: (
        StatusCode.NOT_FOUND,
        admin_pb2.ADMIN_ERROR_REASON_PROJECT_NOT_FOUND,
        "project: there is no project of this name",
    ),
    ProjectExists: (
        StatusCode.ALREADY_EXISTS,
        admin_pb2.ADMIN_ERROR_REASON_PROJECT_EXISTS,
        "There is a project of this name already.",
    ),
    ProjectDeleting: (
        StatusCode.FAILED_PRECONDITION,
        admin_pb2.ADMIN_ERROR_REASON_PROJECT_DELETING,
        "The project is being deleted, which has no way back.",
    ),
    NoSuchKey: (
        StatusCode.NOT_FOUND,
        admin_pb2.ADMIN_ERROR_REASON_KEY_NOT_FOUND,
        "id: the project has no such key that is in force",
    ),
    NoSuchOperator: (
        StatusCode.NOT_FOUND,
        admin_pb2.ADMIN_ERROR_REASON_OPERATOR_NOT_FOUND,
        "id: there is no such operator whose key is in force",
    ),
    NoEntity: (StatusCode.NOT_FOUND, admin_pb2.ADMIN_ERROR_REASON_NO_ENTITY, "There never was such an entity."),
}


def told(error: BaseException) -> grpc.Status | None:
    """Return the status of an error that only operators meet; None: it is none of them."""
    for kind, (code, reason, message) in TABLE.items():
        if isinstance(error, kind):
            name = admin_pb2.AdminErrorReason.Name(reason).removeprefix("ADMIN_ERROR_REASON_")
            return named_status(code, name, message)
    return None


class Gate(Protocol):
    """Lets operators in."""

    async def admit(self, context: Any) -> Operator:
        """Return who calls. Raises OperatorInvalid, RequestInvalid and StoreUnavailable."""


class SocketGate:
    """Lets everybody in: the file system has decided already."""

    async def admit(self, context: Any) -> Operator:
        """Return an operator."""
        return Operator("socket", Role.OPERATOR)


class KeyGate:
    """Lets the holders of operators' keys in; each call looks its key up, so that a revoked one is refused at once."""

    def __init__(self, operators: Operators, refusals: Refusals, peers: Peers) -> None:
        """Look keys up in `operators`; who is refused again and again waits for it."""
        self._operators = operators
        self._refusals = refusals
        self._peers = peers

    async def admit(self, context: Any) -> Operator:
        """Return the holder of the key in a call. Raises OperatorInvalid, RequestInvalid and StoreUnavailable."""
        try:
            return await self._holder(context)
        except OperatorInvalid:
            await self._refusals.hold(self._peers.address_of(context))
            raise

    async def _holder(self, context: Any) -> Operator:
        text = credentials_of(context.invocation_metadata()).bearer_token
        operator_id = operator_id_of(text)
        if operator_id is None:
            raise OperatorInvalid
        found = await self._operators.find(operator_id)
        expected = _NO_HASH if found is None else found[1]
        if not hmac.compare_digest(hash_key(text), expected) or found is None:
            raise OperatorInvalid
        return Operator(f"operator:{found[0].name}", found[0].role)


def require_operator(operator: Operator) -> str:
    """Return who does something, for the audit. Raises OperatorRequired for a viewer."""
    if operator.role is not Role.OPERATOR:
        raise OperatorRequired
    return operator.by
