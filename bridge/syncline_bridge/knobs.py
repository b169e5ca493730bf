"""How any knob is read from the environment, whoever it belongs to."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class Knobs(BaseSettings):
    """Be set by the environment: each field by `SYNCLINE_` and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="SYNCLINE_", frozen=True, use_attribute_docstrings=True)
