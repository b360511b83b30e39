"""Pictures as SVG, and rows of tables, drawn here: no script, no style attribute, text at the size it is shown at."""

from hub.console.drawing.bars import bar, columns, sparkline
from hub.console.drawing.cells import cell, rows
from hub.console.drawing.rails import rails
from hub.console.drawing.tiles import tiles

__all__ = ["bar", "cell", "columns", "rails", "rows", "sparkline", "tiles"]
