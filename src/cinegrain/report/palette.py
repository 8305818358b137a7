"""Fixed looks of modes and classes: colours that colour-blind readers tell apart, and a shape beside each."""

from dataclasses import dataclass

# Paths in a box of -8..8, as the map's marks look, for the legend.
_SHAPES = {
    "circle": "M6,0A6,6 0 1,1 0,-6A6,6 0 0,1 6,0Z",
    "square": "M5,5H-5V-5H5Z",
    "diamond": "M7,0L0,7L-7,0L0,-7Z",
    "triangle-up": "M-6.5,4.5H6.5L0,-6.5Z",
    "cross": "M6.5,2.2H2.2V6.5H-2.2V2.2H-6.5V-2.2H-2.2V-6.5H2.2V-2.2H6.5Z",
    "triangle-down": "M-6.5,-4.5H6.5L0,6.5Z",
    "pentagon": "M6.2,-2L3.8,5.3H-3.8L-6.2,-2L0,-6.5Z",
    "star": "M0,-7L1.8,-2.4H6.7L2.9,.7L4.3,5.7L0,2.9L-4.3,5.7L-2.9,.7L-6.7,-2.4H-1.8Z",
}
_N_COLOURS = 7  # one fewer than the shapes, so that 56 classes differ before a pair comes again
_SYMBOLS = tuple(_SHAPES)


@dataclass(frozen=True)
class Mark:
    """How one class is drawn.

    Attributes:
        colour: A CSS custom property; the style sheet gives it a value for light and for dark.
        symbol: Plotly's name of the shape.
        path: The same shape as an SVG path.
        is_open: Outline only.
    """

    colour: str
    symbol: str
    path: str
    is_open: bool = False


NO_CLASS = Mark("var(--no-class)", "circle-open", _SHAPES["circle"], is_open=True)


def mark(index: int) -> Mark:
    """The look of the class at a position; 112 differ.

    >>> mark(0).symbol, mark(1).symbol, mark(56).symbol
    ('circle', 'square', 'circle-open')
    """
    symbol = _SYMBOLS[index % len(_SYMBOLS)]
    is_open = (index // (_N_COLOURS * len(_SYMBOLS))) % 2 == 1
    return Mark(f"var(--class-{index % _N_COLOURS})", symbol + "-open" * is_open, _SHAPES[symbol], is_open)
