"""What may be done between epochs."""

from __future__ import annotations


class Callback:
    """Called between epochs."""
