"""Pictures: functions that take arrays or functions and an optional `ax`, and return the axes.

Without `ax` a new pyplot figure is made, as in a notebook. Colours are safe for the colour-blind (Okabe and Ito for lines,
P. Tol's muted set for classes), and no message is left to colour alone.
"""

from math import ceil, isqrt
from pathlib import Path
from statistics import NormalDist

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from ..support.protocol import in_words

BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"
ORANGE, PINK = "#E69F00", "#CC79A7"
DARK = {BLUE: "#003049", VERMILION: "#5C2700", GREEN: "#00382A", ORANGE: "#6B4A00", PINK: "#5E2A47"}  # for dashes upon a line of the same hue
CLASSES = ["#332288", "#CC6677", "#117733", "#DDCC77", "#88CCEE", "#882255", "#44AA99", "#999933", "#AA4499", "#777777"]
FONT = 15  # points on a figure 8 inches wide: read from the last row


def save(path, draw, *args, size=(8, 5), **options):
    """Draw one picture with a function of this module and write it to `path`, whole."""
    from ..support.storage import replacing

    if Path(path).suffix.lower() not in (".png", ".pdf", ".svg"):
        raise ValueError(f"a picture must be a .png, .pdf or .svg file, got {path}")
    figure = Figure(figsize=size, dpi=120, layout="constrained")
    draw(*args, ax=figure.add_subplot(), **options)
    with replacing(path) as beside:
        figure.savefig(beside, bbox_inches="tight")


def use_style():
    """Set matplotlib's defaults for figures that are read from the last row: for notebooks."""
    import matplotlib.pyplot as plt

    colours = [BLUE, VERMILION, GREEN, "#E69F00", "#CC79A7", "#56B4E9", "black"]
    plt.rcParams.update({
        "figure.figsize": (8, 4.5), "figure.dpi": 72, "figure.constrained_layout.use": True, "font.size": FONT,
        "axes.prop_cycle": plt.cycler(color=colours), "axes.spines.top": False, "axes.spines.right": False,
        "lines.linewidth": 2.5, "legend.frameon": False,
    })  # fmt: skip


def _axes(ax, xlabel=None, ylabel=None, title=None):
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(8, 5), layout="constrained")
    ax.set_xlabel(xlabel, fontsize=FONT)
    ax.set_ylabel(ylabel, fontsize=FONT)
    ax.set_title(title, fontsize=FONT + 1)
    ax.tick_params(labelsize=FONT - 2)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def image_shape(n_pixels):
    """(side, side) if the number of pixels is a square, else one row.

    >>> image_shape(784), image_shape(6)
    ((28, 28), (1, 6))
    """
    side = isqrt(n_pixels)
    return (side, side) if side * side == n_pixels else (1, n_pixels)


def learning_curves(history, ax=None, level=None):
    """Every term of the loss by epoch: for a VAE -ELBO and the two terms that it is the sum of; held-out data dashed.

    Parameters
    ----------
    history : dict of lists, as `Model.fit` returns it, in nats per datum
    level : (number, words), a line at a height that is known
    """
    terms = [name for name in history if name not in ("epoch", "loss", "seconds") and not name.startswith("val_")]
    sum_of_two = {"neg_elbo", "reconstruction", "kl"} <= set(terms)
    title = "-ELBO = reconstruction + KL,  reconstruction = -log p(x|z)" if sum_of_two else None
    ax = _axes(ax, "epoch", "nats per datum", title)
    for name, colour in zip(terms, DARK):
        ax.plot(history["epoch"], history[name], color=colour, lw=2.5, label=in_words(name))
        if "val_" + name in history:
            ax.plot(history["epoch"], history["val_" + name], color=DARK[colour], lw=1.6, ls=(0, (3, 2)))
    if level is not None:
        ax.axhline(level[0], color="#777777", lw=1.5, ls=":", label=level[1])
    if any(name.startswith("val_") for name in history):
        ax.plot([], [], color="black", lw=1.6, ls=(0, (3, 2)), label="on test data")
    if ax.dataLim.y0 >= 0:
        ax.set_ylim(bottom=0)
    else:  # densities can be above 1, and -log p then is below 0
        ax.axhline(0, color="#777777", lw=1, zorder=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(fontsize=FONT - 2, frameon=False, loc="best", ncols=2)
    return ax


def image_grid(images, n_columns=None, ax=None, title=None):
    """Images in rows and columns, ink dark on white, on the scale from 0 to their largest value.

    Parameters
    ----------
    images : ndarray of shape (N, D) or (N, h, w); a single row of pixels, which is no image, becomes a box of stripes
    n_columns : int, optional; about as many as make the sheet square
    """
    images, h, w, gaps, aspect = _cells(images)
    n_columns = n_columns or min(len(images), ceil((len(images) * (h / w if aspect == "equal" else 1)) ** 0.5))
    n_rows = ceil(len(images) / n_columns)
    sheet = np.full((n_rows * (h + gaps[0]) - gaps[0], n_columns * (w + gaps[1]) - gaps[1]), np.nan)
    for i, image in enumerate(images):
        top, left = i // n_columns * (h + gaps[0]), i % n_columns * (w + gaps[1])
        sheet[top : top + h, left : left + w] = image
    ax = _axes(ax, title=title)
    scale = {"vmin": min(0, images.min()), "vmax": max(1, images.max())}
    ax.imshow(sheet, cmap="gray_r", interpolation="nearest", aspect=aspect, **scale)
    ax.set_facecolor("#CFE3F3")  # the gaps: no grey level of an image
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    return ax


def _cells(images):
    """The images of an `image_grid`, their height and width, the gaps below and beside them, the aspect of a pixel."""
    images = np.asarray(images, dtype=float)
    h, w = images.shape[1:] if images.ndim == 3 else image_shape(images.shape[1])
    images = images.reshape(len(images), h, w)
    if h > 1 or w == 1:
        return images, h, w, (max(1, min(h, w) // 8),) * 2, "equal"
    return np.repeat(images, 8, axis=1), 8, w, (1, max(1, w // 8)), "auto"


def reconstructions(X, X_hat, ax=None, label="E[x|z = mu]"):
    """Originals in the upper row of each pair, their reconstructions below.

    Parameters
    ----------
    X, X_hat : ndarrays of shape (N, D) or (N, h, w)
    """
    n = len(X)
    ax = image_grid(np.concatenate([X, X_hat]), n_columns=n, ax=ax, title="Originals and their reconstructions")
    _, h, _, (gap, _), _ = _cells(X)
    ax.set_yticks([(h - 1) / 2, h + gap + (h - 1) / 2], ["x", label], fontsize=FONT)
    ax.tick_params(length=0)
    return ax


def latent_scatter(mu, y=None, ax=None, dimensions=(0, 1), what="means of q(z|x)"):
    """Posterior means of two latent dimensions, coloured by class, each class's numeral at its median.

    Parameters
    ----------
    mu : ndarray of shape (N, K)
    y : ndarray of shape (N,), optional; NaN stands for an unknown class, grey, and a class whose name the font lacks is its number
    dimensions : the two columns of mu to show
    """
    i, j = dimensions
    y = None if y is None else np.asarray(y)
    if y is not None and not 0 < len(_classes(y)) <= len(CLASSES):
        y = None  # no classes but measurements: neither colours nor numerals could be told apart
    these = "" if mu.shape[1] == 2 else f", 2 of {mu.shape[1]} dimensions"
    ax = _axes(ax, f"z{i + 1}", f"z{j + 1}", f"Where the encoder puts the data: {what}{these}")
    if y is None:
        ax.scatter(mu[:, i], mu[:, j], s=28, alpha=0.7, color=BLUE, lw=0)
    else:
        labels, unknown = _classes(y), mu[_unknown(y)]
        if len(unknown):
            ax.scatter(unknown[:, i], unknown[:, j], s=28, alpha=0.7, color="#BBBBBB", lw=0, label="unknown class")
            ax.legend(fontsize=FONT - 2, loc="best")
        for label, colour in zip(labels, CLASSES):
            group = mu[y == label]
            ax.scatter(group[:, i], group[:, j], s=28, alpha=0.7, color=colour, lw=0)
        for label, name, colour in zip(labels, _names(labels), CLASSES):
            x, z = np.median(mu[y == label][:, [i, j]], axis=0)
            text = ax.text(x, z, name, fontsize=FONT + 5, weight="bold", ha="center", va="center", parse_math=False)
            text.set(color=colour, path_effects=[withStroke(linewidth=4, foreground="white")])
    ax.set_aspect("equal", adjustable="datalim")
    return ax


def _classes(y):
    """The classes in y, without the NaN that stand for an unknown one."""
    return np.unique(y[~_unknown(y)])


def _unknown(y):
    return np.isnan(y) if y.dtype.kind == "f" else np.zeros(len(y), bool)


def _names(labels):
    """What to write for each class: its label, or its number among them where the font lacks a letter of a label."""
    known = get_font(findfont(FontProperties(weight="bold"))).get_charmap()
    names = [str(label).removesuffix(".0") if labels.dtype.kind == "f" else str(label) for label in labels]
    return [name if all(ord(letter) in known for letter in name) else str(n) for n, name in enumerate(names)]


def manifold_grid(decode, n=15, ax=None):
    """The decoder's images on a grid of equal probability under the prior N(0, I), for K = 2.

    The grid's coordinates are the inverse normal CDF of (i - 1/2) / n: each cell holds the same prior mass.

    Parameters
    ----------
    decode : callable, (M, 2) -> (M, D) or (M, h, w)
    n : int, images on a side
    """
    z = np.array([NormalDist().inv_cdf((i + 0.5) / n) for i in range(n)])
    z1, z2 = np.meshgrid(z, z[::-1])
    ax = image_grid(decode(np.stack([z1.ravel(), z2.ravel()], axis=1)), n_columns=n, ax=ax)
    ax.set_title("E[x|z] on a grid of equal prior probability", fontsize=FONT + 1)
    ticks, labels = [0, n // 2, n - 1], [f"{z[k]:.1f}" for k in (0, n // 2, n - 1)]
    right, bottom = ax.get_xlim()[1], ax.get_ylim()[0]
    ax.set_xticks([(k + 0.5) / n * right for k in ticks], labels, fontsize=FONT - 2)
    ax.set_yticks([(n - k - 0.5) / n * bottom for k in ticks], labels, fontsize=FONT - 2)
    ax.set_xlabel("z1", fontsize=FONT)
    ax.set_ylabel("z2", fontsize=FONT)
    return ax


def kl_bars(kl, ax=None):
    """The mean KL of each latent dimension, in nats, largest first: dimensions at 0 carry nothing.

    Parameters
    ----------
    kl : ndarray of shape (K,)
    """
    order = np.argsort(kl)[::-1]
    ax = _axes(ax, "latent dimension", "KL to the prior (nats)", "What each latent dimension carries")
    ax.bar(range(len(kl)), np.asarray(kl)[order], color=GREEN)
    ax.set_xticks(range(len(kl)), [f"z{k + 1}" for k in order])
    if len(kl) > 20:
        ax.set_xticks(range(0, len(kl), 5), [f"z{k + 1}" for k in order[::5]])
        ax.set_xlabel("latent dimension, sorted (every fifth is named)", fontsize=FONT)
    return ax


def step_sizes(report, ax=None):
    """The error of the differences against their step h, for up to four inputs of a gradient check.

    |difference - backward|, relative, falls as h^2 until rounding takes over, which rises as 1/h: so there is a best step. A ring marks
    the one that was trusted; with the one before it, the part that falls as h^2 is taken away, and what is left is the difference of the
    two numbers in the report. Beside a wrong gradient the error stays where it is, however short the step.

    Parameters
    ----------
    report : tinyvae.gradcheck.Report, of `check` or `check_model`; of each input its worst entry is drawn

    Raises
    ------
    ValueError
        If no differences were formed: every input lies on kinks, or has no gradient.
    """
    rows = sorted((row for row in report.rows if len(row.steps)), key=lambda row: row.ok)[:4]
    if not rows:
        raise ValueError("report must hold an input whose differences were formed; here every one lies on kinks or has no gradient")
    more = f", {len(rows)} of {len(report.rows)} inputs" if len(rows) < len(report.rows) else ""
    ax = _axes(ax, "step h", "|difference - backward|, relative", f"Central differences of {report.title}{more}")
    curves = []
    for row, style in zip(rows, ("-", "--", "-.", ":")):
        relative = row.errors / max(abs(row.numeric), abs(row.analytic), row.scale)
        relative = np.where(relative > 0, relative, np.nan)  # an exact zero has no place on this axis
        colour, word = (BLUE, "") if row.ok else (VERMILION, f" {row.verdict}")
        ax.loglog(row.steps, relative, style, color=colour, lw=2.5, label=f"{row.name}{word}")
        ax.loglog(row.steps[row.steps == row.step], relative[row.steps == row.step], "o", ms=13, mfc="none", mec=colour, mew=2.5)
        if row.ok:
            curves.append((row.steps, relative))
    _guide(ax, curves, 2, "as h²", (1e-3, 1e-1))
    _guide(ax, curves, -1, "as 1/h", (1e-11, 1e-7))
    low, high = ax.get_ylim()
    ax.set_ylim(min(low, 1e-13), max(high, 1))  # the same height for all: what stays is seen to stay high
    ax.legend(fontsize=FONT - 2, frameon=False)
    return ax


def _guide(ax, curves, power, words, ends):
    """A grey line of the slope that theory gives, named, above all curves that follow it between two steps."""
    found = []
    for steps, errors in curves:
        at = (steps > 0.5 * ends[0]) & (steps < 2 * ends[1]) & np.isfinite(errors)
        h, level = steps[at], errors[at]
        if len(h) >= 3 and abs(np.polyfit(np.log(h), np.log(level), 1)[0] - power) < 0.7:
            found.append((10 * (level / h**power).max(), h.min(), h.max()))
    if found:
        factor, *h = max(found)
        line = factor * np.array(h) ** power
        ax.loglog(h, line, color="#777777", lw=1.5, ls=(0, (1, 1)))
        ax.annotate(words, (h[line.argmax()], line.max()), fontsize=FONT - 1, color="#555555", ha="right" if power > 0 else "left", va="bottom")
