"""Layer 4, pictures: functions of arrays or functions that draw on given axes and return them."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from tinyvae import check, plots
from tinyvae.gradcheck import Report, Row
from tinyvae.plots.diagrams import graph
from tinyvae.plots.texts import string_list

RNG = np.random.default_rng(0)


@pytest.fixture
def ax():
    return Figure().add_subplot()


def test_every_picture_returns_the_axes_it_was_given(ax):
    X, mu, y = RNG.random((6, 16)), RNG.standard_normal((30, 3)), np.arange(30) % 3
    history = {name: [1.0, 2.0] for name in ("epoch", "neg_elbo", "reconstruction", "kl", "val_neg_elbo", "val_reconstruction", "val_kl")}
    for draw, args in [
        (plots.learning_curves, (history,)),
        (plots.image_grid, (X,)),
        (plots.reconstructions, (X, X)),
        (plots.latent_scatter, (mu, y)),
        (plots.latent_scatter, (mu,)),
        (plots.manifold_grid, (lambda z: np.ones((len(z), 16)), 3)),
        (plots.kl_bars, (np.array([0.5, 2.0, 0.0]),)),
    ]:
        assert draw(*args, ax=ax) is ax
        assert ax.get_title()  or draw is plots.image_grid


def test_curves_and_bars_name_the_unit(ax):
    assert "nats" in plots.learning_curves({"epoch": [1], "neg_elbo": [3], "reconstruction": [2], "kl": [1]}, ax).get_ylabel()
    assert "nats" in plots.kl_bars(np.ones(3), ax).get_ylabel()
    assert [label.get_text() for label in plots.kl_bars(np.array([0.5, 2.0]), ax).get_xticklabels()] == ["z2", "z1"]


def test_the_manifold_is_a_grid_of_equal_prior_mass(ax):
    """z1 to the right, z2 upwards, at the normal quantiles of (i + 1/2) / n."""
    seen = []

    def decode(z):
        seen.append(z)
        return np.zeros((len(z), 4))

    plots.manifold_grid(decode, 3, ax)
    from scipy.stats import norm

    q = norm.ppf([1 / 6, 1 / 2, 5 / 6])
    assert np.allclose(seen[0], [(a, b) for b in q[::-1] for a in q])


def test_an_image_grid_holds_every_image_in_order(ax):
    images = np.arange(3 * 4).reshape(3, 4) / 12.0
    sheet = plots.image_grid(images, 2, ax).images[0].get_array()
    assert np.array_equal(sheet[:2, :2].ravel(), images[0]) and np.array_equal(sheet[3:5, :2].ravel(), images[2])


def test_images_that_are_not_square(ax):
    """Neither scrambled nor cut: as many columns as make the sheet about square, and a gap between any two."""
    images = np.arange(8 * 6 * 2).reshape(8, 6, 2) / 96.0
    sheet = plots.image_grid(images, ax=ax).images[0].get_array()
    assert sheet.shape == (2 * 6 + 1, 5 * 2 + 4)
    assert np.array_equal(sheet[:6, :2], images[0]) and np.array_equal(sheet[7:13, 3:5], images[6])
    ax = plots.reconstructions(images, images, ax=Figure().add_subplot())
    assert ax.images[0].get_array().shape == (6 + 1 + 6, 8 * 2 + 7) and list(ax.get_yticks()) == [2.5, 9.5]
    ax = plots.manifold_grid(lambda z: np.zeros((len(z), 6, 2)), 3, Figure().add_subplot())
    assert ax.images[0].get_array().shape == (3 * 6 + 2, 3 * 2 + 2)


def test_a_row_of_pixels_is_a_box_of_stripes(ax):
    """Seven numbers make no image: they stand side by side, high enough to be seen."""
    rows = np.arange(4 * 7).reshape(4, 7) / 28.0
    sheet = plots.image_grid(rows, ax=ax).images[0].get_array()
    assert sheet.shape == (2 * 8 + 1, 2 * 7 + 1) and ax.get_aspect() == "auto"
    assert all(np.array_equal(line, rows[0]) for line in sheet[:8, :7]) and np.array_equal(sheet[9, 8:], rows[3])


@pytest.mark.parametrize("lowest", [0.5, -70.0])
def test_curves_below_0_are_in_sight(ax, lowest):
    """Densities can be above 1; otherwise the axis starts at 0."""
    values = [1.0, lowest]
    bottom, _ = plots.learning_curves({"epoch": [1, 2], "neg_elbo": values, "reconstruction": values, "kl": [0.1, 0.2]}, ax).get_ylim()
    assert bottom == 0 if lowest > 0 else bottom < lowest


@pytest.mark.parametrize(
    "labels, names", [([3.0, np.nan, 4.0], ["3", "4"]), (["猫", "b", "$\\frac$"], ["$\\frac$", "b", "2"]), ([np.nan] * 3, []), ([0, -1, 1], ["-1", "0", "1"])]
)
def test_labels_that_are_unknown_or_that_the_font_lacks(ax, labels, names):
    mu = np.random.default_rng(1).standard_normal((30, 2))
    plots.latent_scatter(mu, np.array(labels)[np.arange(30) % 3], ax)
    assert [text.get_text() for text in ax.texts] == names
    assert sum(len(group.get_offsets()) for group in ax.collections) == 30, "every row is drawn"


def test_without_axes_a_figure_is_made(monkeypatch):
    import matplotlib

    matplotlib.use("Agg")
    ax = plots.kl_bars(np.ones(2))
    assert ax.figure is not None


def test_step_sizes_fall_rise_and_stay(ax):
    """As h squared, as 1/h, and flat beside a wrong gradient; the guides are drawn only where the errors follow them."""

    def backward(dout, cache):
        return dout * np.exp(cache[0]), 3 * dout * np.cos(cache[1])

    a, b = np.random.default_rng(8).uniform(0.5, 1.5, (2, 5))
    report = check(lambda a, b: (np.exp(a) + np.sin(b), (a, b)), backward, a, b)
    plots.step_sizes(report, ax)
    curves = {line.get_label(): line.get_ydata() for line in ax.lines if not line.get_label().startswith("_")}
    right, wrong = curves["a"], curves["b WRONG"]
    h = np.log10(report.rows[0].steps)
    assert abs(np.polyfit(h[1:4], np.log10(right[1:4]), 1)[0] - 2) < 0.1
    assert abs(np.polyfit(h[-5:], np.log10(right[-5:]), 1)[0] + 1) < 0.5
    assert wrong[1:].max() < 1.1 * wrong[1:].min() and wrong.min() > 1e-2
    assert {text.get_text() for text in ax.texts} == {"as h²", "as 1/h"}
    assert any(line.get_marker() == "o" and line.get_xdata() == report.rows[0].step for line in ax.lines)
    with pytest.raises(ValueError, match="every one lies on kinks"):
        plots.step_sizes(Report("nothing", [Row("x", (3,), "CANNOT JUDGE")]), ax)


def test_curves_of_other_models_name_their_terms(ax):
    history = {"epoch": [1, 2], "loss": [3, 2], "neg_log_p": [3.0, 2.0], "val_neg_log_p": [3.0, 2.5], "cross_entropy": [1.0, 0.5], "seconds": [1, 1]}
    plots.learning_curves(history, ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["-log p", "cross entropy", "on test data"]
    assert not ax.get_title() and len(ax.lines) == 4, "two terms, one of them held out, and the dashes of the legend"


def test_strings_that_are_not_in_the_language_say_so(ax):
    string_list(["x+y", "(x"], [True, False], ax=ax)
    assert [text.get_text() for text in ax.texts] == ["x+y", "(x  invalid"] and "1 of 2" in ax.get_title()


def test_a_diagram_draws_its_nodes_arrows_and_plates_and_refuses_what_it_does_not_know(ax):
    nodes = {"z": (0, 2, "$z$", "latent"), "x": (0, 0, "$x$", "observed"), "t": (-2, 0, "theta", "parameter")}
    arrows = [("z", "x"), ("t", "x", "W"), ("x", "z", "dz", "backward")]
    assert graph(nodes, arrows, [(-1, -1, 1, 3, "n = 1..N")], ax=ax) is ax
    drawn = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    assert [patch.get_linestyle() == "-" for patch in drawn] == [True, True, False], "backward is told without colour"
    assert {"$z$", "$x$", "theta", "W", "dz", "n = 1..N"} <= {text.get_text() for text in ax.texts}
    (low, high), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert low < -2 and high > 1 and bottom < -1 and top > 3, "nothing is cut off"
    with pytest.raises(ValueError, match="node 'y'"):
        graph(nodes, [("z", "y")], ax=ax)
    with pytest.raises(ValueError, match="kind 'circle'"):
        graph({"z": (0, 0, "z", "circle")}, [], ax=ax)
    with pytest.raises(ValueError, match="style of an arrow"):
        graph(nodes, [("z", "x", "", "back")], ax=ax)


@pytest.mark.parametrize("arrow, message", [
    (("z", "z"), "from one place to another, got 'z' to 'z'"), (("z", "y"), r"got 'z' to 'y', both at \(0, 2\)"),
    (("z", "x", "backward"), "before a style there is a label"), (("z",), "an arrow must be"), (("z", "x", "", "forward", 1), "an arrow must be"),
])  # fmt: skip
def test_an_arrow_that_leads_nowhere_or_lacks_its_label_is_refused(ax, arrow, message):
    nodes = {"z": (0, 2, "z", "latent"), "y": (0, 2, "y", "latent"), "x": (0, 0, "x", "observed")}
    with pytest.raises(ValueError, match=message):
        graph(nodes, [arrow], ax=ax)
    with pytest.raises(ValueError, match="nodes must hold at least one node"):
        graph({}, [], ax=ax)


def test_arrows_and_plates_may_come_one_by_one(ax):
    nodes = {"z": (0, 2, "z", "latent"), "x": (0, 0, "x", "observed")}
    graph(nodes, (pair for pair in [("z", "x", "W")]), (plate for plate in [(-1, -1, 1, 3, "N")]), ax=ax)
    assert {"W", "N"} <= {text.get_text() for text in ax.texts} and any(isinstance(patch, FancyArrowPatch) for patch in ax.patches)
    assert ax.get_ylim()[1] > 3


@pytest.mark.parametrize("end, side", [((0, 3), "left"), ((0, -3), "right"), ((3, 0), "center"), ((3, 3), "left"), ((-3, -3), "right"), ((3, 1), "left"), ((3, 0.5), "center")])
def test_the_label_of_an_arrow_that_is_not_flat_stands_clear_of_it(ax, end, side):
    """Right of an arrow upwards, left of one downwards: the text begins, or ends, beside the line."""
    FigureCanvasAgg(ax.figure)
    graph({"a": (0, 0, "", "value"), "b": (*end, "", "value")}, [("a", "b", "a long label")], ax=ax)
    text = next(text for text in ax.texts if text.get_text())
    assert text.get_ha() == side
    ax.figure.draw_without_rendering()
    box = text.get_window_extent().transformed(ax.transData.inverted())
    if end[0] == 0:
        assert box.x0 > 0.05 if side == "left" else box.x1 < -0.05
