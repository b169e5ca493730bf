"""Files that are served as they are: read once, with the headers of pages that load nothing from elsewhere."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from syncline_bridge.describe.handling import Handler, tagged

HTML: Final = "text/html"
_TYPES: Final = {
    ".css": "text/css",
    ".html": HTML,
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
_OURS: Final = files("syncline_bridge.pages")

HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # `data:` is for the pictures in the style sheet of Swagger UI; the script has them in itself.
        "content-security-policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'",
        "cross-origin-opener-policy": "same-origin",
        "referrer-policy": "no-referrer",
        # Kept, and asked for again each time: after an upgrade nobody sees the files of the version before.
        "cache-control": "no-cache",
    }
)


@dataclass(frozen=True, slots=True)
class File:
    """A file of the wheel."""

    content: bytes
    media_type: str

    def answer(self) -> Response:
        """Answer with the whole of it."""
        return Response(self.content, headers=HEADERS, media_type=self.media_type)


def own(name: str, change: Callable[[str], str] | None = None) -> File:
    """Return a file of this folder, by its path; `change` makes its text what is served."""
    file = read(_OURS.joinpath(name))
    return file if change is None else File(change(file.content.decode()).encode(), file.media_type)


def read(path: Traversable) -> File:
    """Return a file; raises KeyError for a kind that no page needs."""
    name = path.name
    return File(path.read_bytes(), _TYPES[name[name.rindex(".") :]])


def serving(file: File) -> Handler:
    """Return what answers with a file, or with 304 whoever has it."""

    async def serve(request: Request) -> Response:
        return file.answer()

    return tagged(serve)
