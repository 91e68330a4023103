"""Diagrams of the machinery: graphical models and computation graphs, told apart without colour."""

import math

from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle

from . import FONT, VERMILION

RADIUS = 0.36
KINDS = {  # what is drawn around the text of a node
    "latent": lambda x, y: Circle((x, y), RADIUS, facecolor="white", edgecolor="black", lw=2),
    "observed": lambda x, y: Circle((x, y), RADIUS, facecolor="0.8", edgecolor="black", lw=2),
    "noise": lambda x, y: Circle((x, y), RADIUS, facecolor="white", edgecolor="black", lw=2, ls=(0, (2, 1.5))),
    "operation": lambda x, y: FancyBboxPatch(
        (x - 0.575, y - 0.22), 1.15, 0.44, boxstyle="round,pad=0.06", facecolor="white", edgecolor="black", lw=2
    ),
    "value": lambda x, y: Circle((x, y), 0.3, alpha=0),
    "parameter": lambda x, y: Circle((x, y), 0.09, facecolor="black"),
}


def _bounds(nodes, plates):
    """(lowest x, highest x), (lowest y, highest y) of everything drawn, with room for the nodes themselves."""
    xs = [x for x, *_ in nodes.values()] + [x for plate in plates for x in (plate[0], plate[2])]
    ys = [y for _, y, *_ in nodes.values()] + [y for plate in plates for y in (plate[1], plate[3])]
    return (min(xs) - 0.7, max(xs) + 0.7), (min(ys) - 0.5, max(ys) + 0.5)


STYLES = "forward", "backward"


def _arrow(ax, shapes, start, end, label="", style="forward"):
    """One arrow between the borders of two nodes; backward: dashed, bent to the side, its label beside it."""
    (xa, ya), (xb, yb) = (_centre(shapes[name]) for name in (start, end))
    back = style == "backward"
    bend = 0.28 if back else 0.0
    ax.add_patch(
        FancyArrowPatch(
            (xa, ya), (xb, yb), patchA=shapes[start], patchB=shapes[end], shrinkA=2, shrinkB=2, mutation_scale=20, lw=2.2,
            arrowstyle="-|>", ls=(0, (4, 2)) if back else "-", color=VERMILION if back else "black",
            connectionstyle=f"arc3,rad={bend}",
        )
    )  # fmt: skip
    length = math.hypot(xb - xa, yb - ya)
    across, up = (yb - ya) / length, (xa - xb) / length  # to the right of the way: there the label stands, just outside of the bend
    beside = abs(across) > 0.25  # not flat: the side of the text must keep clear of the line, not its middle
    away = 0.5 * bend * length + (0.12 if beside else 0.26)
    side = ("left" if across > 0 else "right") if beside else "center"
    ax.text((xa + xb) / 2 + away * across, (ya + yb) / 2 + away * up, label, ha=side, va="center", fontsize=FONT, zorder=3)


def _centre(shape):
    """The middle of a node's shape."""
    if isinstance(shape, Circle):
        return shape.center
    return shape.get_x() + shape.get_width() / 2, shape.get_y() + shape.get_height() / 2


def _check(nodes, arrows):
    """ValueError of nodes and arrows that cannot be drawn."""
    if not nodes:
        raise ValueError("nodes must hold at least one node, name -> (x, y, text, kind), got none")
    unknown = [f"kind {kind!r}" for *_, kind in nodes.values() if kind not in KINDS]
    unknown += [f"node {name!r}" for arrow in arrows for name in arrow[:2] if name not in nodes]
    if unknown:
        raise ValueError(f"unknown {unknown[0]}: kinds are {', '.join(KINDS)}; nodes are {', '.join(nodes)}")
    for arrow in arrows:
        if not 2 <= len(arrow) <= 4 or len(arrow) == 3 and arrow[2] in STYLES:
            raise ValueError(f"an arrow must be (start, end), (start, end, label) or (start, end, label, style), got {arrow}: "
                             "before a style there is a label, '' for none")  # fmt: skip
        if arrow[3:] and arrow[3] not in STYLES:
            raise ValueError(f"the style of an arrow must be 'forward' or 'backward', got {arrow[3]!r}")
        if tuple(nodes[arrow[0]][:2]) == tuple(nodes[arrow[1]][:2]):
            raise ValueError(f"an arrow must lead from one place to another, got {arrow[0]!r} to {arrow[1]!r}, both at {nodes[arrow[0]][:2]}: "
                             "move one of the two, or leave the arrow out")  # fmt: skip


def graph(nodes, arrows, plates=(), ax=None):
    """Draw a graphical model, or a computation graph forward (solid arrows) and backward (dashed, bent).

    Parameters
    ----------
    nodes : dict, name -> (x, y, text, kind)
        kind is "latent" (circle), "observed" (filled circle), "noise" (dashed circle), "operation" (box), "value" (text
        alone) or "parameter" (dot, its text above). Neighbours stand 1.5 or more apart.
    arrows : iterable of (start, end), (start, end, label) or (start, end, label, style)
        Names of nodes; style is "forward" (default) or "backward".
    plates : iterable of (x0, y0, x1, y1, text)
        Frames around what is repeated, with the index in the lower right corner.
    ax : matplotlib axes, optional

    Returns
    -------
    ax : matplotlib axes

    Raises
    ------
    ValueError
        Of a kind, style or name that is not known, of an arrow that leads nowhere, and if there are no nodes.
    """
    arrows, plates = list(arrows), list(plates)
    _check(nodes, arrows)
    xs, ys = _bounds(nodes, plates)
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(min(11, 1.1 * (xs[1] - xs[0])), 1.1 * (ys[1] - ys[0])), layout="constrained")
    shapes = {name: ax.add_patch(KINDS[kind](x, y)) for name, (x, y, _, kind) in nodes.items()}
    for x, y, text, kind in nodes.values():
        ax.text(x, y + 0.32 * (kind == "parameter"), text, ha="center", va="center", fontsize=FONT + 1, zorder=4)
    for arrow in arrows:
        _arrow(ax, shapes, *arrow)
    for x0, y0, x1, y1, text in plates:
        ax.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, lw=1.5))
        ax.text(x1 - 0.12, y0 + 0.12, text, ha="right", va="bottom", fontsize=FONT)
    ax.set(xlim=xs, ylim=ys, aspect="equal")
    ax.axis("off")
    return ax
