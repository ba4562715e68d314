"""The version, the one fact that every floor may state."""

__version__ = "0.1.0"
