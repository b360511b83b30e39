"""Pictures as SVG, drawn here: no script, no style attribute, text at the size it is shown at."""

from hub.console.drawing.bars import bar, columns, sparkline
from hub.console.drawing.rails import rails
from hub.console.drawing.tiles import tiles

__all__ = ["bar", "columns", "rails", "sparkline", "tiles"]
