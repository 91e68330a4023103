"""Pictures of strings."""

from . import FONT, VERMILION, _axes


def string_list(texts, valid, n_columns=3, ax=None):
    """Strings in columns; those that are not valid are red, and say so.

    Parameters
    ----------
    texts : list of str
    valid : list of bool, as long
    """
    ax = _axes(ax, title=f"Drawn from the model: {sum(valid)} of {len(valid)} are in the language")
    n_rows = -(-len(texts) // n_columns)
    for i, (text, known) in enumerate(zip(texts, valid)):
        words = text if known else f"{text}  invalid"
        ax.text(i // n_rows, -(i % n_rows), words, fontsize=FONT, family="monospace", color="black" if known else VERMILION, parse_math=False)
    ax.set(xlim=(-0.05, n_columns), ylim=(-n_rows, 1), xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    return ax
