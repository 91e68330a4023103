"""Layer 2, truth: when the sum over a grid is an integral, and when it is refused. All in float64."""

import numpy as np
import pytest

from tinyvae import VAE
from tinyvae.exact import PPCA, GridPosterior
from tinyvae.priors.standard import standard_normal_forward
from tinyvae.zoo.local_vi import gap_report


def normal(mean, covariance):
    """(x, z) -> log p(x|z) whose product with N(z; 0, I) is N(z; mean, covariance): log p(x) = 0."""
    precision, log_det = np.linalg.inv(covariance), np.linalg.slogdet(2 * np.pi * covariance)[1]
    return lambda x, z: -(((z - mean) @ precision * (z - mean)).sum(1) + log_det) / 2 - standard_normal_forward(z)[0]


def test_a_grid_tells_log_p_of_a_gaussian_or_refuses_it_in_whatever_direction_it_is_narrow():
    """Down to a tenth of a cell across, along rows, columns, diagonals and knight's moves, between points and on them."""
    rng, cell, accepted, refused = np.random.default_rng(0), 0.07, [], []
    grid = GridPosterior(lambda x, z: z[:, 0], n_latent=2, n=141, width=70 * cell)
    for trial in range(300):
        slope = rng.choice([0, np.inf, 1, -1, 1 / 2, 2, 3, rng.standard_normal()])
        across, along = cell * 10 ** rng.uniform(-1, 0.3), cell * 10 ** rng.uniform(-0.5, 0.8)
        c, s = np.cos(np.arctan(slope)), np.sin(np.arctan(slope))
        turn = np.array([[c, -s], [s, c]])
        mean = cell * rng.integers(-9, 9, 2) / 4 if trial % 2 else rng.uniform(-1, 1, 2)
        grid.log_px = normal(mean, turn @ np.diag([along**2, across**2]) @ turn.T)
        try:
            accepted.append(abs(grid.log_evidence(np.zeros((1, 2)))[0]))
        except ValueError as error:
            assert "narrower than a cell" in str(error) and "larger than 141" in str(error)
            refused.append(min(across, along) / cell)
    assert max(accepted) < 0.006 and len(accepted) > 60
    assert max(refused) < 0.6 and len(refused) > 60, "a width of 0.6 cells is enough"


def test_a_posterior_narrow_along_one_axis_is_refused_and_a_finer_grid_tells_it():
    """W = diag(100, 2), eta = 1: the posterior is 0.01 wide along the first axis, a seventh of a cell."""
    ppca = PPCA(2)
    ppca.W_, ppca.mean_, ppca.noise_variance_ = np.diag([100.0, 2.0]), np.zeros(2), 1.0
    x = np.array([[37.0, 1.0]])
    with pytest.raises(ValueError, match="narrower than a cell"):
        GridPosterior(ppca.to_vae()).log_evidence(x)
    assert abs(GridPosterior(ppca.to_vae(), n=801, width=3).log_evidence(x) - ppca.score_samples(x)) < 1e-3


def test_a_gap_that_is_zero_is_found_where_the_grid_is_too_coarse():
    """The optimum of probabilistic PCA, 60 wide along the first axis: both gaps are 0."""
    rng = np.random.default_rng(0)
    ppca = PPCA(2)
    ppca.W_, ppca.mean_, ppca.noise_variance_ = np.linalg.qr(rng.standard_normal((5, 2)))[0] * [60, 1], np.zeros(5), 1.0
    report = gap_report(ppca.to_vae(), ppca.sample(10, 0), steps=20, n_samples=2000)
    assert np.abs(report.approximation.mean()) < 4 * report.error[:, 0].mean() / np.sqrt(10) and report.amortisation.mean() < 0.02


@pytest.mark.parametrize("between", [0.0, 0.25, 0.5])
def test_a_narrow_mode_beside_a_broad_one_is_refused(between):
    """Half of the mass at 0.15 cells across, on a grid point or between two: the broad half alone would be log 2 too little."""
    cell = 0.007
    broad, narrow = normal([0.0], np.eye(1)), normal([(100 + between) * cell], np.eye(1) * (0.15 * cell) ** 2)
    grid = GridPosterior(lambda x, z: np.logaddexp(broad(x, z), narrow(x, z)) - np.log(2), n_latent=1)
    with pytest.raises(ValueError, match="narrower than a cell"):
        grid.log_evidence(np.zeros((1, 1)))


def test_what_is_no_density_on_the_grid_is_refused():
    for log_px, message in (
        (lambda x, z: np.full(len(z), -np.inf), "log_px must be finite somewhere on the grid"),
        (lambda x, z: np.where(z[:, 0] > 0, 0, np.nan), "got NaN or infinity"),
        (lambda x, z: -z, r"of shape \(2001,\), below infinity, got shape \(2001, 1\)"),
    ):
        with pytest.raises(ValueError, match=message):
            GridPosterior(log_px, n_latent=1).log_evidence(np.zeros((1, 1)))
    holes = GridPosterior(lambda x, z: np.where(z[:, 0] > 5, -np.inf, 0.0), n_latent=1)
    assert abs(holes.log_evidence(np.zeros((1, 1)))[0]) < 1e-6, "p(x|z) = 0 at some z is a density"


def test_the_default_grid_holds_a_prior_that_is_wider_than_one():
    """The probabilities of all sixteen images of four pixels sum to 1, under a mixture that reaches to 8."""
    vae = VAE(4, 2, hidden=(8,), prior="mixture:3", dtype="float64", seed=1)
    vae.params["prior.mu"][...] = [[8, 0], [-3, 2], [0, -4]]
    images = np.array([[k >> d & 1 for d in range(4)] for k in range(16)], dtype=float)
    assert abs(np.exp(GridPosterior(vae).log_evidence(images)).sum() - 1) < 1e-6
