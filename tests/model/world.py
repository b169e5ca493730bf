"""One example's projects, in the server and in the model; every call is made to both, and they have to agree."""

import itertools
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness import ACTIONS, Project
from model import model
from model.answers import answered, position_in, told_page, told_push, wanted_page, wanted_push
from model.calls import Change, Entity, Page, Pull, Push, Pushed, Refused, Token, Version
from model.served import Served
from syncline.v1 import sync_pb2

TYPES = ("NOTE", "COLLECTION", "todo")
USERS = ("ada", "bob")
TICK_US = 4_000
_TIMEOUT = 60


@dataclass(frozen=True)
class Principal:
    """Who speaks: one session of a user, or a server key."""

    project: str
    user: str
    session: str
    device_known: bool
    credentials: dict[str, str]
    """The headers of gRPC and of the checkpoint dialect."""
    names_user: bool = False

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return tuple(self.credentials.items())

    @property
    def user_id(self) -> str:
        return self.user if self.names_user else ""


def _device_id(project: Project, user: str, name: str) -> Principal:
    """A session whose token names its device."""
    token = project.token(user, device=name)
    headers = {"x-api-key": project.client_key, "authorization": f"Bearer {token}"}
    return Principal(project.name, user, f"device {name}", True, headers)


def _device_header(project: Project, user: str, name: str) -> Principal:
    """A session whose calls name the device."""
    headers = {"x-api-key": project.client_key, "authorization": f"Bearer {project.token(user)}", "x-device-id": name}
    return Principal(project.name, user, f"device {name}", True, headers)


def _no_device(project: Project, user: str, name: str) -> Principal:
    """A session that is known by its token alone."""
    token = project.token(user, ttl=3600 + len(name))  # so that it is another one
    headers = {"x-api-key": project.client_key, "authorization": f"Bearer {token}"}
    return Principal(project.name, user, f"token {name}", False, headers)


def _server_key(project: Project, user: str, _name: str) -> Principal:
    """A service, on behalf of a user."""
    return Principal(project.name, user, "", False, {"x-api-key": project.server_key}, names_user=True)


_KINDS: dict[str, Callable[[Project, str, str], Principal]] = {
    "phone": _device_id,
    "laptop": _device_header,
    "tablet": _no_device,
    "browser": _no_device,
    "service": _server_key,
}


@dataclass(frozen=True)
class _Concurrent:
    """A push among several, and its answer."""

    caller: Principal
    push: Push
    answer: Any

    def agrees(self, expected: Pushed | Refused) -> bool:
        if told_push(self.answer) != wanted_push(expected):
            return False
        return isinstance(expected, Refused) or position_in(self.answer.checkpoint_token) == expected.position


@dataclass
class World:
    """Projects and their models, what has been seen of them, and the clock."""

    served: Served
    clock_us: int = 0
    models: dict[str, model.Project] = field(default_factory=dict)
    history: dict[tuple[str, int], Version] = field(default_factory=dict)
    """Every version there ever was, by project and revision."""
    tokens: dict[str, Token] = field(default_factory=dict)
    """Every token there ever was."""
    _projects: dict[str, Project] = field(default_factory=dict)
    _callers: dict[tuple[str, str, str], Principal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Examples share the database, whose epoch may have begun at the latest time that there was in one of them.
        self.move_clock(self.served.latest_us)

    def caller(self, project: str, user: str, kind: str) -> Principal:
        """Return who speaks; who is not asked for is not made, nor is a project."""
        if project not in self._projects:
            made = self._projects[project] = self.served.project(f"{project}-{uuid.uuid4().hex[:12]}")
            self.models[made.name] = model.Project(made.name)
        key = (project, user, kind)
        if key not in self._callers:
            self._callers[key] = _KINDS[kind](self._projects[project], user, kind)
        return self._callers[key]

    def model_of(self, caller: Principal) -> model.Project:
        return self.models[caller.project]

    def versions(self, caller: Principal, user: str | None = None) -> dict[Entity, Version]:
        """Return what the model holds of a user."""
        return {one.entity: one for one in self.model_of(caller).log if one.user == (user or caller.user)}

    def move_clock(self, us: int) -> None:
        self.clock_us += us
        self.served.set_clock(self.clock_us)

    def canary(self, caller: Principal) -> str:
        """Return what no other user may ever see."""
        return f"canary-of-{caller.user}-in-{caller.project}"

    def check_canaries(self, caller: Principal, answer: str, *, all_users: bool = False) -> None:
        for project, user in itertools.product(self.models, USERS):
            if project != caller.project or (user != caller.user and not all_users):
                assert f"canary-of-{user}-in-{project}" not in answer

    def token_of(self, text: str) -> Token | None:
        """Return what a token stands for; one that was never seen is of no project."""
        return self.tokens.get(text, Token("nowhere", None, 0)) if text else None

    def learn(self, caller: Principal, text: str, position: int, *, all_users: bool = False) -> None:
        """Check that a token stands for a position (T1)."""
        token = Token(caller.project, None if all_users else caller.user, position)
        assert position_in(text) == position, f"{position_in(text)} in the token, not {position}"
        assert self.tokens.setdefault(text, token) == token

    def lost_token(self, caller: Principal, *, ahead: bool) -> str:
        """Return a token of a history that is lost, past the head or at it."""
        position = self.model_of(caller).head() + (1_000_000 if ahead else 0)
        text = self.served.token(caller.project, caller.user, position)
        self.tokens[text] = Token(caller.project, caller.user, position, is_of_lost_history=True)
        return text

    # Pushes

    def push_of(self, caller: Principal, changes: Sequence[Change], **fields: Any) -> Push:
        return Push(caller.user, caller.session, caller.device_known, tuple(changes), **fields)

    def expected(
        self, caller: Principal, push: Push, first_revision: int | None = None, replaced: Collection[Version] = ()
    ) -> Pushed | Refused:
        """Make a push to the model."""
        project = self.model_of(caller)
        try:
            clock_ms = max(self.clock_us, self.served.epoch_us) // 1000
            return project.push(push, first_revision or project.next_revision(clock_ms), replaced)
        except Refused as refused:
            return refused

    def learn_push(self, caller: Principal, answer: str, token: str, expected: Pushed | Refused) -> None:
        """Note what an answer has told; as text, for its canaries."""
        self.check_canaries(caller, answer)
        if isinstance(expected, Pushed):
            if expected.keeps_token:
                assert self.tokens[token].is_of_lost_history or self.tokens[token].position == expected.position
            else:
                self.learn(caller, token, expected.position)
            self.remember(caller, expected)

    def remember(self, caller: Principal, pushed: Pushed) -> None:
        """Keep the versions that there were, for the streams that may have seen them."""
        versions = [one.version for one in pushed.results if one.version is not None]
        self.history.update({(caller.project, version.revision): version for version in versions})

    def push(
        self, caller: Principal, changes: Sequence[Change], *, token: str = "", **fields: Any
    ) -> sync_pb2.PushResponse | Refused:
        """Push over gRPC, to both."""
        self.move_clock(TICK_US)
        request = _request(caller, changes, token=token, **fields)
        answer = answered(lambda: self.served.stub.Push(request, **_options(caller)))
        push = self.push_of(caller, _with_made_ids(changes, answer), token=self.token_of(token), **fields)
        expected = self.expected(caller, push)
        assert told_push(answer) == wanted_push(expected)
        self.learn_push(caller, str(answer), getattr(answer, "checkpoint_token", ""), expected)
        return answer

    def push_together(self, calls: Sequence[tuple[Principal, Sequence[Change]]]) -> None:
        """Push at the same time; the server has to agree with the model about one order of these pushes."""
        self.move_clock(TICK_US)
        push = self.served.stub.Push.future
        futures = [push(_request(caller, changes), **_options(caller)) for caller, changes in calls]
        answers = [answered(future.result) for future in futures]
        pushes = [
            self.push_of(caller, _with_made_ids(changes, answer))
            for (caller, changes), answer in zip(calls, answers, strict=True)
        ]
        calls_ = [
            _Concurrent(caller, push, answer) for (caller, _), push, answer in zip(calls, pushes, answers, strict=True)
        ]
        refused: list[str] = []
        assert self._explained(calls_, refused=refused), "no order of these pushes gives these answers:\n" + "\n".join(
            [f"{one}" for one in calls_] + refused + [f"before: {project}" for project in self.models.values()]
        )

    def _explained(
        self, calls: Sequence[_Concurrent], earlier: tuple[model.Project, ...] = (), *, refused: list[str]
    ) -> bool:
        """Find an order of pushes in which the model gives their answers, and leave it in that state.

        `earlier` are the projects of the pushes so far, each as it was before; `refused` takes what does not agree.
        """
        before = self.models
        for at, call in enumerate(calls):
            others = [*calls[:at], *calls[at + 1 :]]
            project = before[call.caller.project]
            until_now = (*earlier, project)
            for first_revision, replaced in itertools.product(
                _first_revisions(call, project), _replaced(until_now, project.name)
            ):
                self.models = {**before, project.name: _copy(project)}
                expected = self.expected(call.caller, call.push, first_revision, replaced)
                if not call.agrees(expected):
                    refused.append(f"after {len(earlier)}: {call.push.session} from {first_revision}: {expected}")
                    continue
                if not others or self._explained(others, until_now, refused=refused):
                    token = getattr(call.answer, "checkpoint_token", "")
                    self.learn_push(call.caller, str(call.answer), token, expected)
                    return True
        self.models = before
        return False

    # Pulls

    def pull(self, caller: Principal, types: Sequence[str] = (), *, token: str = "", **fields: Any) -> Any:
        """Pull over gRPC, from both; `fields` are those of a model's Pull."""
        self.move_clock(TICK_US)
        request = sync_pb2.PullRequest(
            entity_types=types,
            checkpoint_token=token or None,
            after_revision=fields.get("after"),
            page_size=fields.get("size", 0),
            skip=fields.get("skip", 0),
            page_number=fields.get("number", 0),
            include_total=fields.get("with_total", False),
            user_id=caller.user_id,
            reset_when_expired=fields.get("reset_when_expired", False),
            head_only=fields.get("head_only", False),
        )
        answer = answered(lambda: self.served.stub.Pull(request, **_options(caller)))
        expected = self.expected_page(caller, types, token=token, **{"size": 100, **fields})
        assert told_page(answer) == wanted_page(expected)
        if isinstance(expected, Page):
            self.learn(caller, answer.checkpoint_token, expected.position)
        self.check_canaries(caller, str(answer))
        return answer

    def expected_page(
        self,
        caller: Principal,
        types: Sequence[str] = (),
        *,
        token: str = "",
        all_users: bool = False,
        **fields: Any,
    ) -> Page | Refused:
        """Make a pull to the model, or open a stream."""
        user, session = (None, "") if all_users else (caller.user, caller.session)
        pull = Pull(user, session, tuple(dict.fromkeys(types)), self.token_of(token), **fields)
        try:
            return self.model_of(caller).pull(pull)
        except Refused as refused:
            return refused


def _request(caller: Principal, changes: Sequence[Change], *, token: str = "", **fields: Any) -> sync_pb2.PushRequest:
    messages = [_message(change) for change in changes]
    return sync_pb2.PushRequest(changes=messages, checkpoint_token=token, user_id=caller.user_id, **fields)


def _options(caller: Principal) -> dict[str, Any]:
    return {"metadata": caller.metadata, "timeout": _TIMEOUT, "wait_for_ready": True}


def _message(change: Change) -> sync_pb2.Change:
    message = sync_pb2.Change(
        entity_type=change.entity[0],
        entity_id=change.entity[1],
        action=ACTIONS.get(change.action),  # type: ignore[arg-type]  # None: unspecified
        data=b"" if change.data == "{}" else change.data.encode(),
        base_revision=change.base,
        required_entities=[
            sync_pb2.EntityReference(entity_type=kind, entity_id=name) for kind, name in change.required
        ],
        only_if_absent=change.only_if_absent,
        retained_members=change.retained,
    )
    if change.at_us is not None:
        message.client_timestamp.FromMicroseconds(change.at_us)
    return message


def _with_made_ids(changes: Sequence[Change], answer: Any) -> list[Change]:
    """Take over the ids that the server has made (P8)."""
    if isinstance(answer, Refused):
        return list(changes)
    known = []
    for change, result in zip(changes, answer.results, strict=True):
        kind, entity_id = change.entity
        if not entity_id:
            assert uuid.UUID(result.change.entity_id).version == 4
        known.append(replace(change, entity=(kind, entity_id or result.change.entity_id)))
    return known


def _first_revisions(call: _Concurrent, project: model.Project) -> list[int | None]:
    """Return where a push may have started, by its answer; None: where it would have started alone.

    Pushes that were applied in one transaction share a millisecond, unless they are of one user (L2).
    """
    told = () if isinstance(call.answer, Refused) else call.answer.results
    known = {one.change.revision for one in told if one.outcome == sync_pb2.OUTCOME_APPLIED}
    head, user_head_ms = project.head(), project.head(call.caller.user) // 1000
    return [None, *(one for one in sorted(known) if one > head and one // 1000 > user_head_ms)]


def _replaced(until_now: Sequence[model.Project], name: str) -> list[list[Version]]:
    """Return what may have been replaced in the same transaction: since any of these states, up to the last one."""
    logs = [project.log for project in until_now if project.name == name]
    since = [itertools.chain(*logs[start:]) for start in range(len(logs))]
    return [[one for one in versions if one not in logs[-1]] for versions in reversed(since)]


def _copy(project: model.Project) -> model.Project:
    shown = {session: dict(positions) for session, positions in project.shown.items()}
    return model.Project(project.name, list(project.log), shown, project.readings)
