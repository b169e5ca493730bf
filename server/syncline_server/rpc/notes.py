"""Whether pushed notes are well-formed, and the notes of the rules that they stand for (N1)."""

from collections.abc import Sequence

from syncline import words
from syncline.v1 import sync_pb2
from syncline_server.sync.errors import ChangeInvalid, RequestInvalid
from syncline_server.sync.keys import note_key
from syncline_server.sync.notes import NewNote


def note_of(note: sync_pb2.Note, project_id: int, user_id: str) -> NewNote:
    """Return the note of a user that a message stands for; see `problem_of`."""
    return NewNote(
        note_key(project_id, user_id, note.name),
        note.name,
        note.value,
        note.expected_version if note.HasField("expected_version") else None,
        note.ttl,
    )


def notes_of(request: sync_pb2.PushRequest, project_id: int, user_id: str) -> tuple[NewNote, ...]:
    """Return the notes beside the changes of a push.

    Raises RequestInvalid for the first malformed one, and for one that is named twice; those of changes count, too, and
    raise ChangeInvalid.
    """
    if len(request.notes) > words.MAX_NOTES:
        limit, count = words.MAX_NOTES, len(request.notes)
        raise RequestInvalid("notes", f"must be at most {limit}, got {count}", limit=limit)
    named: set[str] = set()
    for index, note in enumerate(request.notes):
        if found := problem_of(note):
            field, problem, limits = found
            raise RequestInvalid(f"notes[{index}].{field}", problem, **limits)
        if note.name in named:
            raise RequestInvalid(f"notes[{index}].name", "is named twice in this push")
        named.add(note.name)
    for index, change in enumerate(request.changes):
        if change.HasField("note"):
            if change.note.name in named:
                raise ChangeInvalid(index, "note.name", "is named twice in this push")
            named.add(change.note.name)
    return tuple([note_of(note, project_id, user_id) for note in request.notes])


def problem_of(note: sync_pb2.Note) -> tuple[str, str, dict[str, int]] | None:
    """Return what is wrong with a note: the field, the problem, its limits; None: nothing."""
    if problem := words.note_name_problem(note.name):
        return "name", problem, {"limit_bytes": words.MAX_NOTE_NAME_BYTES}
    if len(note.value) > words.MAX_NOTE_BYTES:
        limit = words.MAX_NOTE_BYTES
        return "value", f"must be at most {limit} bytes, got {len(note.value)}", {"limit_bytes": limit}
    if note.HasField("expected_version") and note.expected_version < 0:
        return "expected_version", "must be 0 or more", {}
    if not 0 <= note.ttl <= words.MAX_NOTE_SECONDS:
        return "ttl", f"must be 0 to {words.MAX_NOTE_SECONDS} seconds", {"limit": words.MAX_NOTE_SECONDS}
    return None


def note_keys(names: Sequence[str], project_id: int, user_id: str) -> dict[str, str]:
    """Return the names of notes by their keys, each once. Raises RequestInvalid."""
    if len(names) > words.MAX_NOTES:
        raise RequestInvalid(
            "note_names", f"must be at most {words.MAX_NOTES}, got {len(names)}", limit=words.MAX_NOTES
        )
    for index, name in enumerate(names):
        if problem := words.note_name_problem(name):
            raise RequestInvalid(f"note_names[{index}]", problem, limit_bytes=words.MAX_NOTE_NAME_BYTES)
    return {note_key(project_id, user_id, name): name for name in names}
