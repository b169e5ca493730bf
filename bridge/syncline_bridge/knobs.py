"""How any knob is read from the environment, whoever it belongs to."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class Knobs(BaseSettings):
    """Be set by the environment: each field by `SYNCLINE_` and its name in capitals; an empty variable is none."""

    model_config = SettingsConfigDict(
        env_prefix="SYNCLINE_", env_ignore_empty=True, frozen=True, use_attribute_docstrings=True
    )
