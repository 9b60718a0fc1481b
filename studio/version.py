"""The version of the studio, as pyproject.toml has it too."""

VERSION = "0.1.0"
