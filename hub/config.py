"""The only reader of the environment: every setting, its default and what it is for."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Config(BaseSettings):
    """Settings, each from HUB_<NAME> in the environment."""

    model_config = SettingsConfigDict(env_prefix="HUB_")

    data_dir: Path = Field(default=Path("data"), description="keys, certificates and the embedded database")
    dsn: str = Field(default="", description="a PostgreSQL to use instead of the embedded one, such as postgresql://hub@db/hub")
    listen: str = Field(default="127.0.0.1:7443", description="where the gRPC server listens")

    @property
    def keys_dir(self) -> Path:
        """Where the key files are."""
        return self.data_dir / "keys"

    @property
    def certificates_dir(self) -> Path:
        """Where the CA and the certificates it issued are."""
        return self.data_dir / "certificates"
