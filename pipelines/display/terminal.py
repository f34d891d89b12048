"""The console that people read."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from schemas.visible import visible


class VisibleConsole(Console):
    """Writes all texts as `visible` returns them; its own colours stay."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Makes the text that is printed: every text passes here, those of tables too."""
        return super().render_str(visible(text), **options)
