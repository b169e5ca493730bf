"""One example's projects, in the server and in the model; every call is made to both, and they have to agree."""

import itertools
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness import ACTIONS, Project
from model import model
from model.answers import (
    answered,
    as_pushed,
    claim_in,
    is_of_unknown_key,
    told_change,
    told_page,
    told_push,
    wanted_change,
    wanted_claim,
    wanted_page,
    wanted_push,
)
from model.calls import Change, Claim, Entity, Moment, Page, Pull, Push, Pushed, Refused, Token, Version
from model.notes import Note
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
    "tabs": _no_device,
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
        """Whether the answer is the expected one, but for the head, which later pushes have a say in."""
        if isinstance(expected, Refused) or isinstance(self.answer, Refused):
            return told_push(self.answer) == wanted_push(expected)
        told = told_push(self.answer)[0], claim_in(self.answer.checkpoint_token)
        return told == (wanted_push(expected)[0], wanted_claim(expected.claim))


@dataclass(frozen=True)
class _Step:
    """A push in an order of pushes at the same time, and its user's head before it and after it."""

    call: _Concurrent
    before: int
    after: int

    @property
    def key(self) -> tuple[str, str]:
        return self.call.caller.project, self.call.caller.user


def _tells_head(steps: Sequence[_Step], at: int) -> bool:
    """Whether a push tells its head in ms, unless a later one adds to that millisecond: then the head before it."""
    step = steps[at]
    if isinstance(step.call.answer, Refused):
        return True
    of_user = [one for one in steps if one.key == step.key]
    ms = step.after // 1000
    is_added_to = any(one.after // 1000 == ms and one.after > step.after for one in of_user)
    before = max(one.before for one in of_user if one.before // 1000 < ms) if is_added_to else step.after
    return bool(step.call.answer.head_ms == before // 1000)


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
    push_ids: int = 0
    """How many there have been."""
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
        """Return what a token stands for; one that was never seen is of no project, or of a key that is not known."""
        if not text or text in self.tokens:
            return self.tokens.get(text)
        if is_of_unknown_key(text, next(iter(self.tokens))):
            return Token("nowhere", None, Claim(1, 1), is_of_lost_history=True, key_known=False)
        return Token("nowhere", None, Claim())

    def shown(self, text: str | None) -> dict[str, Any]:
        """Return what a push shows by a token, by an empty one, or without one."""
        return {"shows_nothing": True} if text == "" else {"token": self.token_of(text or "")}

    def learn(
        self, caller: Principal, text: str, claim: Claim, *, all_users: bool = False, is_of_lost_history: bool = False
    ) -> None:
        """Check that a token says just this (T1)."""
        token = Token(caller.project, None if all_users else caller.user, claim, is_of_lost_history)
        assert claim_in(text) == wanted_claim(claim), f"{claim_in(text)} is in the token, not {claim}"
        assert self.tokens.setdefault(text, token) == token

    def lost_token(self, caller: Principal, *, ahead: bool) -> str:
        """Return a token of a history that is lost, past the head or at it."""
        position = self.model_of(caller).head() + (1_000_000 if ahead else 0)
        text = self.served.token(caller.project, caller.user, position)
        self.tokens[text] = Token(caller.project, caller.user, Claim(position, position), is_of_lost_history=True)
        return text

    # Pushes

    def new_push_id(self) -> str:
        self.push_ids += 1
        return f"push-{self.push_ids}"

    def push_of(self, caller: Principal, changes: Sequence[Change], answer: Any = None, **fields: Any) -> Push:
        """Return a push as the model takes it: with the ids that the server has made (P8)."""
        known = tuple(_with_made_ids(changes, answer))
        return Push(caller.user, caller.session, caller.device_known, known, sent=tuple(changes), **fields)

    def expected(
        self, caller: Principal, push: Push, moment: Moment | None = None, replaced: Collection[Version] = ()
    ) -> Pushed | Refused:
        """Make a push to the model, in a transaction of its own unless a moment is given."""
        project = self.model_of(caller)
        try:
            return project.push(push, moment or self.begin(project), replaced)
        except Refused as refused:
            return refused

    def begin(self, project: model.Project) -> Moment:
        return project.begin(self.clock_us // 1000, self.served.epoch_us // 1000)

    def learn_push(self, caller: Principal, answer: str, token: str, expected: Pushed | Refused) -> None:
        """Note what an answer has told; as text, for its canaries."""
        self.check_canaries(caller, answer)
        if isinstance(expected, Pushed):
            self.learn(caller, token, expected.claim, is_of_lost_history=expected.is_of_lost_history)
            self.remember(caller, expected)

    def remember(self, caller: Principal, pushed: Pushed) -> None:
        """Keep the versions that there were, for the streams that may have seen them."""
        versions = [one.version for one in pushed.results if one.version is not None]
        for version in versions:  # of a retry, the first time counts
            self.history.setdefault((caller.project, version.revision), version)

    def push(
        self, caller: Principal, changes: Sequence[Change], *, token: str | None = None, **fields: Any
    ) -> sync_pb2.PushResponse | Refused:
        """Push over gRPC, to both."""
        self.move_clock(TICK_US)
        request = _request(caller, changes, token=token, **fields)
        answer = answered(lambda: self.served.stub.Push(request, **_options(caller)))
        push = self.push_of(caller, changes, answer, **self.shown(token), **fields)
        expected = self.expected(caller, push)
        assert told_push(answer) == wanted_push(expected)
        self.learn_push(caller, str(answer), getattr(answer, "checkpoint_token", ""), expected)
        return answer

    def push_together(self, calls: Sequence[tuple[Principal, Sequence[Change], str, tuple[Note, ...]]]) -> None:
        """Push at the same time; the server has to agree with the model about one order of these pushes."""
        self.move_clock(TICK_US)
        push = self.served.stub.Push.future
        futures = [
            push(_request(caller, changes, push_id=push_id, notes=notes), **_options(caller))
            for caller, changes, push_id, notes in calls
        ]
        answers = [answered(future.result) for future in futures]
        calls_ = [
            _Concurrent(caller, self.push_of(caller, changes, answer, push_id=push_id, notes=notes), answer)
            for (caller, changes, push_id, notes), answer in zip(calls, answers, strict=True)
        ]
        refused: list[str] = []
        assert self._explained(calls_, refused=refused), "no order of these pushes gives these answers:\n" + "\n".join(
            [f"{one}" for one in calls_] + refused + [f"before: {project}" for project in self.models.values()]
        )

    def _explained(
        self,
        calls: Sequence[_Concurrent],
        earlier: tuple[model.Project, ...] = (),
        steps: tuple[_Step, ...] = (),
        *,
        refused: list[str],
    ) -> bool:
        """Find an order of pushes in which the model gives their answers, and leave it in that state.

        `earlier` are the projects of the pushes so far, each as it was before; `refused` takes what does not agree.
        """
        if not calls:
            return all(_tells_head(steps, at) for at in range(len(steps)))
        before = self.models
        for at, call in enumerate(calls):
            others = [*calls[:at], *calls[at + 1 :]]
            project = before[call.caller.project]
            until_now = (*earlier, project)
            for moment, replaced in self._moments(until_now):
                now = _copy(project)
                self.models = {**before, project.name: now}
                expected = self.expected(call.caller, call.push, moment, replaced)
                if not call.agrees(expected):
                    refused.append(f"after {len(earlier)}: {call.push.session} at {moment}: {expected}")
                    continue
                step = _Step(call, project.head(call.caller.user), now.head(call.caller.user))
                if self._explained(others, until_now, (*steps, step), refused=refused):
                    token = getattr(call.answer, "checkpoint_token", "")
                    self.learn_push(call.caller, str(call.answer), token, expected)
                    return True
        self.models = before
        return False

    def _moments(self, until_now: Sequence[model.Project]) -> Iterator[tuple[Moment, list[Version]]]:
        """Yield when a push may be made to the last of these states, and what its transaction has replaced by then.

        Its transaction began at that state, or at an earlier one of the project.
        """
        states = [project for project in until_now if project.name == until_now[-1].name]
        for at in reversed(range(len(states))):
            began, last = self.begin(states[at]), states[-1]
            goes_on = Moment(began.now_ms, last.head() + 1) if last.head() > states[at].head() else began
            versions = itertools.chain(*(state.log for state in states[at:]))
            yield goes_on, [one for one in versions if one not in last.log]

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
        expected = self.expected_page(
            caller, types, token=token, agrees=lambda page: self.agrees(answer, page), **{"size": 100, **fields}
        )
        assert told_page(answer) == wanted_page(expected)
        if isinstance(expected, Page):
            self.learn(caller, answer.checkpoint_token, expected.claim)
        self.check_canaries(caller, str(answer))
        return answer

    def get(self, caller: Principal, entities: Sequence[Entity], names: Sequence[str] = ()) -> None:
        """Read entities and notes by their ids and names, from both."""
        references = [sync_pb2.EntityReference(entity_type=kind, entity_id=name) for kind, name in entities]
        request = sync_pb2.GetRequest(entities=references, note_names=names, user_id=caller.user_id)
        answer = self.served.stub.Get(request, **_options(caller))
        project = self.model_of(caller)
        expected = [wanted_change(as_pushed(one), one) for one in project.get(caller.user, entities)]
        assert [told_change(one) for one in answer.changes] == expected
        assert (answer.head_ms, answer.unread) == (project.head(caller.user) // 1000, 0)
        kept = {name: project.note_of(caller.user, name, self.clock_us // 1000) for name in names}
        there = [(name, one.version, one.value) for name, one in kept.items() if one.version]
        assert [(one.name, one.version, one.value) for one in answer.notes] == there
        self.check_canaries(caller, str(answer))

    def expected_page(
        self,
        caller: Principal,
        types: Sequence[str] = (),
        *,
        token: str = "",
        all_users: bool = False,
        agrees: Callable[[Page], bool] = lambda _: True,
        **fields: Any,
    ) -> Page | Refused:
        """Make a pull to the model, or open a stream; of the pages that there may be, return one that agrees."""
        user, session = (None, "") if all_users else (caller.user, caller.session)
        known = caller.device_known and not all_users
        pull = Pull(user, session, tuple(dict.fromkeys(types)), self.token_of(token), **fields, device_known=known)
        project = self.model_of(caller)
        try:
            pages = project.pages(pull)
        except Refused as refused:
            return refused
        agreeing = [page for page in pages if agrees(page)] or pages
        project.note(pull, agreeing)
        return agreeing[0]

    def agrees(self, answer: Any, page: Page) -> bool:
        """Tell whether an answer over gRPC is this page."""
        if isinstance(answer, Refused):
            return False
        return told_page(answer) == wanted_page(page) and claim_in(answer.checkpoint_token) == wanted_claim(page.claim)


def _request(
    caller: Principal,
    changes: Sequence[Change],
    *,
    token: str | None = None,
    notes: Sequence[Note] = (),
    **fields: Any,
) -> sync_pb2.PushRequest:
    return sync_pb2.PushRequest(
        changes=[_message(change) for change in changes],
        checkpoint_token=token,
        user_id=caller.user_id,
        notes=[_note(note) for note in notes],
        **fields,
    )


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
        identifying_members=change.identifying,
    )
    if change.note is not None:
        message.note.CopyFrom(_note(change.note))
    if change.at_us is not None:
        message.client_timestamp.FromMicroseconds(change.at_us)
    return message


def _note(note: Note) -> sync_pb2.Note:
    return sync_pb2.Note(name=note.name, value=note.value, expected_version=note.expected, ttl=note.ttl)


def _with_made_ids(changes: Sequence[Change], answer: Any) -> list[Change]:
    """Take over the ids that the server has made (P8), if it has answered."""
    if answer is None or isinstance(answer, Refused):
        return list(changes)
    known = []
    for change, result in zip(changes, answer.results, strict=True):
        kind, entity_id = change.entity
        if not entity_id:
            assert uuid.UUID(result.change.entity_id).version in {4, 8}
        known.append(replace(change, entity=(kind, entity_id or result.change.entity_id)))
    return known


def _copy(project: model.Project) -> model.Project:
    shown = {session: dict(positions) for session, positions in project.shown.items()}
    pushes = {owner: list(kept) for owner, kept in project.pushes.items()}
    return replace(
        project,
        log=list(project.log),
        shown=shown,
        pushes=pushes,
        places=dict(project.places),
        notes=dict(project.notes),
    )
