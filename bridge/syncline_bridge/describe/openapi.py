"""How the bridge documents itself: FastAPI's description of the routes, and the structs' own schemas."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from fastapi import FastAPI

from syncline_bridge.describe.operation import Described


class DocumentedApp(FastAPI):
    """Add to the description what FastAPI cannot know, as requests and answers do not pass through pydantic."""

    def __init__(
        self, models: Sequence[type[msgspec.Struct]], security_schemes: Mapping[str, Described], **described: Any
    ) -> None:
        super().__init__(**described)
        self._models = models
        self._security_schemes = security_schemes

    def openapi(self) -> dict[str, Any]:
        """Describe all routes."""
        if self.openapi_schema is None:
            components = super().openapi().setdefault("components", {})
            components.setdefault("schemas", {}).update(self._schemas())
            components["securitySchemes"] = dict(self._security_schemes)
        return super().openapi()

    def _schemas(self) -> dict[str, Any]:
        _, schemas = msgspec.json.schema_components(self._models, ref_template="#/components/schemas/{name}")
        return schemas
