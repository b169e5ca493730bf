"""How the bridge documents itself: FastAPI's description of the routes, and the structs' own schemas."""

from collections.abc import Sequence
from typing import Any

import msgspec
from fastapi import FastAPI

from syncline_bridge.dialects.dialect import Dialect
from syncline_bridge.edge.probes import Health


class DocumentedApp(FastAPI):
    """Add to the description what FastAPI cannot know, as requests and answers do not pass through pydantic."""

    def __init__(self, dialects: Sequence[Dialect], **described: Any) -> None:
        super().__init__(**described)
        self._dialects = dialects

    def openapi(self) -> dict[str, Any]:
        """Describe all routes."""
        if self.openapi_schema is None:
            components = super().openapi().setdefault("components", {})
            components.setdefault("schemas", {}).update(self._schemas())
            components["securitySchemes"] = self._security_schemes()
        return super().openapi()

    def _schemas(self) -> dict[str, Any]:
        models = [Health, *(model for dialect in self._dialects for model in dialect.models)]
        _, schemas = msgspec.json.schema_components(models, ref_template="#/components/schemas/{name}")
        return schemas

    def _security_schemes(self) -> dict[str, Any]:
        return {name: scheme for dialect in self._dialects for name, scheme in dialect.security_schemes.items()}
