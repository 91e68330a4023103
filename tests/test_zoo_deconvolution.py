"""The deconvolution: the transpose of the convolution, a dense layer whose matrix is made of one kernel, and a VAE's decoder."""

import numpy as np
import pytest
from figures import assert_reached, assert_stated, digits

from tinyvae import VAE, Adam, log_weight_terms_forward
from tinyvae.params import count
from tinyvae.zoo.deconvolution import (
    DeconvNetwork,
    DeconvVAE,
    conv_backward,
    conv_forward,
    deconv_backward,
    deconv_forward,
)
from tinyvae.zoo.local_vi import LocalPosterior

CASES = pytest.mark.parametrize("k, stride, I, J, C, M", [(3, 1, 4, 2, 2, 3), (4, 2, 3, 5, 1, 2), (2, 3, 2, 4, 3, 1), (1, 2, 3, 2, 2, 2)])


def case(k, stride, I, J, C, M):
    """x, y, kernel: a map before and one after the convolution."""
    rng = np.random.default_rng(k)
    x = rng.standard_normal((2, 3, stride * (I - 1) + k, stride * (J - 1) + k, C))
    return x, rng.standard_normal((2, 3, I, J, M)), rng.standard_normal((k, k, C, M))


@CASES
def test_convolution_by_its_definition(k, stride, I, J, C, M):
    """[CONV.1], number by number."""
    x, _, kernel = case(k, stride, I, J, C, M)
    y, _ = conv_forward(x, kernel, stride)
    assert y.shape == (2, 3, I, J, M)
    for i, j, m in np.ndindex(I, J, M):
        window = x[..., stride * i : stride * i + k, stride * j : stride * j + k, :]
        assert np.allclose(y[..., i, j, m], (window * kernel[..., m]).sum((-3, -2, -1)), rtol=0, atol=1e-12)


@CASES
def test_deconvolution_is_the_transpose_of_the_convolution(k, stride, I, J, C, M):
    """[DECONV.1]: <A x, y> = <x, A' y>; as matrices too, and dx of the one is the other, [CONV.2] and [DECONV.2]."""
    x, y, kernel = case(k, stride, I, J, C, M)
    (Ax, conv_cache), (Aty, deconv_cache) = conv_forward(x, kernel, stride), deconv_forward(y, kernel, stride)
    assert Aty.shape == x.shape
    assert abs(np.vdot(Ax, y) - np.vdot(x, Aty)) < 1e-12 * np.linalg.norm(x) * np.linalg.norm(y) * np.linalg.norm(kernel)
    pixels, places = np.eye(x[0, 0].size).reshape(-1, *x.shape[2:]), np.eye(y[0, 0].size).reshape(-1, *y.shape[2:])
    A = conv_forward(pixels, kernel, stride)[0].reshape(len(pixels), -1)  # row d: what pixel d does
    stamps = deconv_forward(places, kernel, stride)[0].reshape(len(places), -1)  # row (i, j): shifted copies of the kernel
    assert np.array_equal(stamps, A.T) and np.count_nonzero(stamps) == I * J * M * C * k * k
    assert np.allclose(Aty.reshape(6, -1), y.reshape(6, -1) @ stamps, rtol=0, atol=1e-12)
    assert np.array_equal(conv_backward(y, conv_cache)[0], Aty) and np.array_equal(deconv_backward(x, deconv_cache)[0], Ax)
    assert np.allclose(conv_backward(y, conv_cache)[1], deconv_backward(x, deconv_cache)[1], rtol=0, atol=1e-12), "<A x, y> by the kernel"


def test_it_does_not_undo_the_convolution():
    x, _, kernel = case(3, 1, 4, 4, 1, 1)
    again, _ = deconv_forward(conv_forward(x, kernel)[0], kernel)
    scale = np.vdot(again, x) / np.vdot(again, again)
    assert np.linalg.norm(scale * again - x) > 0.3 * np.linalg.norm(x)


def test_a_decoder_of_deconvolutions_is_a_dense_decoder_with_shared_weights():
    """The bounds, the samples and the estimates of the one are those of the other."""
    rng = np.random.default_rng(0)
    vae = DeconvVAE(3, maps=((2, 4), (5, 1)), strides=(1, 3), hidden=(16,), dtype="float64")
    vae.theta += 0.2 * rng.standard_normal(vae.theta.size)
    dense = VAE(25, 3, hidden=(16,), dtype="float64")
    for name, view in dense.params.items():
        view[...] = vae.params[name] if name.startswith("encoder") else 0
    for name, side, channels, stride in (("decoder.0", 1, 3, 1), ("decoder.out", 2, 4, 3)):
        places = np.eye(side * side * channels).reshape(-1, side, side, channels)
        stamps, _ = deconv_forward(places, vae.params[name + ".W"], stride)
        dense.params[name + ".W"][...] = stamps.reshape(len(stamps), -1)
        dense.params[name + ".b"][...] = np.broadcast_to(vae.params[name + ".b"], stamps.shape[1:]).ravel()
    X, eps = rng.integers(0, 2, (4, 25)).astype(float), rng.standard_normal((5, 4, 3))
    assert np.allclose(vae.decode(eps[0]), dense.decode(eps[0]), rtol=0, atol=1e-13)
    assert abs(vae.loss_and_grad(X, eps)[0] - dense.loss_and_grad(X, eps)[0]) < 1e-12
    both = [log_weight_terms_forward(X, eps, model.params, model.parts)[0] for model in (vae, dense)]
    assert np.allclose(*both, rtol=0, atol=1e-12)
    assert np.allclose(vae.log_likelihood(X, 50, rng=0), dense.log_likelihood(X, 50, rng=0), rtol=0, atol=1e-12)
    assert np.allclose(vae.sample(3, rng=0), dense.sample(3, rng=0))
    assert np.allclose(LocalPosterior(vae, X).fit(3).elbo(9), LocalPosterior(dense, X).fit(3).elbo(9), rtol=0, atol=1e-12)


def test_files_and_options(tmp_path):
    vae = DeconvVAE(3, maps=((2, 4), (5, 1)), strides=(1, 3), hidden=(6,), seed=4)
    X = np.random.default_rng(0).integers(0, 2, (30, 25)).astype(np.float32)
    vae.fit(X, epochs=2, progress=False, checkpoint=tmp_path / "run.npz")
    vae.save(tmp_path / "model.npz")
    again = DeconvVAE.load(tmp_path / "model.npz")
    assert np.array_equal(again.decode(np.ones((2, 3))), vae.decode(np.ones((2, 3)))) and again.config == vae.config
    resumed, whole = (DeconvVAE(3, maps=((2, 4), (5, 1)), strides=(1, 3), hidden=(6,), seed=4) for _ in range(2))
    resumed.fit(X, epochs=3, progress=False, checkpoint=tmp_path / "run.npz", resume=True)
    whole.fit(X, epochs=3, progress=False)
    assert resumed.epoch == 3 and np.array_equal(resumed.theta, whole.theta)
    for options, message in [
        ({"maps": ((3, 4), (8, 2))}, "the last of one channel"),
        ({"maps": ((8, 1),)}, "as many entries as strides"),
        ({"maps": ((3, 4), (8, 1)), "strides": (1, 4)}, "decoder.out.W would have shape .0, 0, 1, 4."),
        ({"maps": ((3, 0), (8, 1)), "strides": (1, 2)}, "channels must be at least 1"),
        ({"strides": (1, 1, 0)}, "stride must be at least 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            DeconvVAE(**options)


def test_the_first_weights_count_what_overlaps():
    """Glorot's bound sqrt(6 / (in + out)): an output of the last layer receives 4 stamps of 31 channels, an input gives 16 numbers."""
    vae = DeconvVAE(8, maps=((3, 31), (8, 1)), strides=(1, 2), seed=1)
    for name, n_in, n_out in (("decoder.0.W", 8, 9 * 31), ("decoder.out.W", 4 * 31, 16)):
        assert 0.98 < np.abs(vae.params[name]).max() / np.sqrt(6 / (n_in + n_out)) <= 1
    network = DeconvNetwork(("a",), ((2, 5), (6, 3)), (4,))
    assert network.shapes == {"a.W": (2, 2, 3, 5), "a.b": (3,)} and network.sizes == (20, 108) and network.heads == ((108,),)


@pytest.mark.slow
def test_on_small_digits_it_is_as_good_as_a_dense_decoder_of_its_size():
    """bin, K = 8: 2,815 numbers in its decoder, 2,838 in the dense one. Options chosen on a split of the training rows. No gain is claimed."""
    X_train, X_test, _, _ = digits(binary=True)
    found = {}
    for make in (DeconvVAE, lambda **options: VAE(64, **options)):
        elbo = []
        for seed in (0, 1, 2):
            vae = make(n_latent=8, hidden=(38,), seed=seed)
            vae.fit(X_train, epochs=100, optimizer=Adam(0.003), progress=False)
            elbo.append(float(vae.elbo(X_test, n_samples=20).mean()))
        found[count(vae.parts.decoder.shapes)] = elbo
    assert list(found) == [2815, 2838]
    assert_reached("ELBO, deconvolutions", found[2815], -19.39, 0.14)
    assert_reached("ELBO, dense", found[2838], -19.37, 0.18)
    assert_stated("ELBO, deconvolutions", found[2815], -19.02, 0.04)
    assert_stated("ELBO, dense", found[2838], -19.10, 0.06)
