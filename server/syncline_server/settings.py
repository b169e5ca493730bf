"""Every knob of the server; each is an environment variable SYNCLINE_<NAME>."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_KIB = 1024
_MIB = 1024 * 1024


class ServerSettings(BaseSettings):
    """What can be set of the server."""

    model_config = SettingsConfigDict(env_prefix="SYNCLINE_", frozen=True, extra="ignore")

    data_dir: Path = Field(Path("syncline-data"), description="Folder of the embedded SQLite database.")
    database: str | None = Field(
        None, description="Database URL, `postgresql://…` or `sqlite:///path`; unset: SQLite in the data folder."
    )
    grpc_address: str = Field("127.0.0.1:50051", description="HOST:PORT of the gRPC server.")
    http_address: str = Field("127.0.0.1:8080", description="HOST:PORT of the HTTP bridge that `serve` starts.")
    no_http: bool = Field(False, description="`serve` without the HTTP bridge.")
    metrics_address: str | None = Field(None, description="HOST:PORT of Prometheus metrics; unset: none.")
    max_push_changes: int = Field(1000, ge=1, le=1000, description="Most changes in a push.")
    max_data_bytes: int = Field(256 * _KIB, ge=1, le=_MIB, description="Largest data of an entity.")
    max_message_bytes: int = Field(4 * _MIB, ge=_KIB, description="Largest gRPC request.")
    max_page_bytes: int = Field(2 * _MIB, ge=_KIB, description="Data in a page, after which it is cut.")
    max_answer_bytes: int = Field(16 * _MIB, ge=_MIB, description="Most data that the answer to a push may carry.")
    calls_per_minute: int = Field(0, ge=0, description="Most calls of a user in a minute; 0: any number.")
    heartbeat_seconds: float = Field(15, gt=0, description="An idle stream gets a checkpoint this often.")
    slow_reader_seconds: float = Field(30, gt=0, description="A stream whose reader takes nothing for so long is cut.")
    drain_seconds: float = Field(10, ge=0, description="What calls get to finish when the server ends.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["console", "json"] = Field("console", description="How a log line looks.")
