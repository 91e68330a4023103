"""A decoder made of deconvolution layers (lecture D1), as a VAE's other decoder.

A convolution A takes a large map to a small one; the deconvolution with the same kernel is its transpose A', from the small map to the
large one: <A x, y> = <x, A' y>. It does not undo the convolution, in spite of its name; it is also called transposed convolution.
So each of the two is what the other needs in its backward pass.

Maps have the shape (..., height, width, channels); the batch stands in front, as everywhere here.
"""

from typing import NamedTuple

import numpy as np

from ..gradcheck import over_theta
from ..mlp import ACTIVATIONS
from ..support.validation import check_int
from ..vae import VAE


def conv_forward(x, kernel, stride=1):
    """y_ij = sum_ab x_(si+a, sj+b) kernel_ab,  s the stride: a window of x at every place     [CONV.1]

    Parameters
    ----------
    x : ndarray of shape (..., H, W, C), with H = s (I - 1) + k, and W likewise: the windows end where x does
    kernel : ndarray of shape (k, k, C, M), for every place in the window a matrix from C to M channels
    stride : int

    Returns
    -------
    y : ndarray of shape (..., I, J, M)
    cache : what `conv_backward` needs
    """
    y = sum(x[window] @ kernel[a, b] for a, b, window in _windows(x.shape, kernel, stride))
    cache = x, kernel, stride
    return y, cache


def conv_backward(dy, cache):
    """dx = deconvolution of dy,  dkernel_ab = sum_ij x_(si+a, sj+b)' dy_ij     dy (..., I, J, M)    [CONV.2]"""
    x, kernel, stride = cache
    dx, _ = deconv_forward(dy, kernel, stride)
    return dx, _dkernel(x, dy, kernel, stride)


def deconv_forward(y, kernel, stride=1):
    """x_(si+a, sj+b) += kernel_ab y_ij,  s the stride: y_ij stamps the kernel on x     [DECONV.1]

    Parameters
    ----------
    y : ndarray of shape (..., I, J, M)
    kernel : ndarray of shape (k, k, C, M), as that of the convolution whose transpose this is
    stride : int

    Returns
    -------
    x : ndarray of shape (..., H, W, C), H = s (I - 1) + k, W likewise
    cache : what `deconv_backward` needs

    Examples
    --------
    >>> y = np.array([1.0, 10.0]).reshape(1, 2, 1)  # two pixels stamp three ones each, two pixels apart
    >>> x, cache = deconv_forward(y, np.ones((3, 3, 1, 1)), stride=2)
    >>> print(x[0, :, 0])
    [ 1.  1. 11. 10. 10.]
    """
    (I, J), k = y.shape[-3:-1], len(kernel)
    x = np.zeros((*y.shape[:-3], stride * (I - 1) + k, stride * (J - 1) + k, kernel.shape[2]), y.dtype)
    for a, b, window in _windows(x.shape, kernel, stride):
        x[window] += y @ kernel[a, b].T
    cache = y, kernel, stride
    return x, cache


def deconv_backward(dx, cache):
    """dy = convolution of dx,  dkernel_ab = sum_ij dx_(si+a, sj+b)' y_ij     dx (..., H, W, C)    [DECONV.2]"""
    y, kernel, stride = cache
    dy, _ = conv_forward(dx, kernel, stride)
    return dy, _dkernel(dx, y, kernel, stride)


def _windows(shape, kernel, stride):
    """(a, b, the index of all x_(si+a, sj+b) at once) for the entries of the kernel: the only loop, and none over pixels."""
    (H, W), k = shape[-3:-1], len(kernel)
    for a, b in np.ndindex(k, k):
        yield a, b, (..., slice(a, H - k + a + 1, stride), slice(b, W - k + b + 1, stride), slice(None))


def _dkernel(x, y, kernel, stride):
    """Every window's x' y, summed over the places and the batch: all the copies of a kernel's entry add their share."""
    dkernel, y = np.empty_like(kernel), y.reshape(-1, y.shape[-1])
    for a, b, window in _windows(x.shape, kernel, stride):
        dkernel[a, b] = x[window].reshape(len(y), -1).T @ y
    return dkernel


# ---- the decoder ----------------------------------------------------------------------------------------


class DeconvNetwork(NamedTuple):
    """The architecture of a decoder of deconvolutions: what `tinyvae.mlp.Network` is for dense layers, with a pair of its own.

    Attributes
    ----------
    names : tuple of str, of the layers; their weights are called "name.W" and "name.b"
    maps : tuple of (side, channels), one more than there are layers: ((1, 8), (3, 31), (8, 1)) starts with z, one pixel of K = 8 channels
    strides : tuple of int, one for each layer
    activation : str, a key of `ACTIVATIONS`; the last layer has none

    Examples
    --------
    >>> DeconvNetwork(("decoder.0", "decoder.out"), ((1, 8), (3, 31), (8, 1)), (1, 2)).shapes["decoder.out.W"]
    (4, 4, 1, 31)
    """

    names: tuple
    maps: tuple
    strides: tuple
    activation: str = "tanh"

    @property
    def shapes(self):
        """Names of the kernels and biases to their shapes; a kernel is as large as the two sides and the stride ask for."""
        shapes = {}
        for name, stride, (I, M), (H, C) in zip(self.names, self.strides, self.maps[:-1], self.maps[1:]):
            k = H - stride * (I - 1)
            shapes[name + ".W"] = (k, k, C, M)
            shapes[name + ".b"] = (C,)
        return shapes

    @property
    def sizes(self):
        """How many numbers each map holds, from K to D."""
        return tuple(side * side * channels for side, channels in self.maps)

    @property
    def heads(self):
        """The output is one image, flat."""
        return (self.sizes[-1:],)

    @property
    def pair(self):
        """The pair of this architecture."""
        return deconv_net_forward, deconv_net_backward


def deconv_net_forward(z, params, network):
    """Deconvolution, bias, activation, ..., deconvolution, bias: z (..., K) to logits (..., D)"""
    act_forward, act_backward = ACTIVATIONS[network.activation]
    side, channels = network.maps[0]
    h, layers = z.reshape(*z.shape[:-1], side, side, channels), []
    for name, stride in zip(network.names, network.strides):
        h, deconv_cache = deconv_forward(h, params[name + ".W"], stride)
        h += params[name + ".b"]
        act_cache = None
        if name != network.names[-1]:
            h, act_cache = act_forward(h)
        layers.append((name, deconv_cache, act_backward, act_cache))
    cache = layers, z.shape, h.shape
    return h.reshape(*z.shape[:-1], -1), cache


def deconv_net_backward(dlogits, cache, dparams):
    """The same layers from last to first; gradients are added to dparams unless it is None. dlogits (..., D), dz (..., K)"""
    layers, z_shape, h_shape = cache
    dh = dlogits.reshape(h_shape)
    for name, deconv_cache, act_backward, act_cache in reversed(layers):
        if act_cache is not None:
            dh = act_backward(dh, act_cache)
        db = dh.reshape(-1, dh.shape[-1]).sum(0)
        dh, dkernel = deconv_backward(dh, deconv_cache)
        if dparams is not None:
            dparams[name + ".W"] += dkernel
            dparams[name + ".b"] += db
    return dh.reshape(z_shape)


class DeconvVAE(VAE):
    """A VAE of square binary images whose decoder is made of deconvolutions; the encoder stays dense. All else is the VAE's.

    Parameters
    ----------
    n_latent : int
    maps : sequence of (side, channels), of the maps after z; the last is the image, of one channel
    strides : sequence of int, one for each map; a kernel has the side that fits: H - stride (I - 1), from side I to side H
    hidden : sequence of int, sizes of the hidden layers of the encoder alone
    activation, beta, bound, n_samples, seed, dtype : as for `tinyvae.VAE`

    Examples
    --------
    >>> from tinyvae.params import count
    >>> vae = DeconvVAE(8)
    >>> print(vae.decode(np.zeros((1, 8))).shape, count(vae.parts.decoder.shapes))
    (1, 64) 2815
    """

    def __init__(
        self, n_latent=8, *, maps=((2, 21), (3, 21), (8, 1)), strides=(1, 1, 2), hidden=(38,), activation="tanh", beta=1.0, bound="elbo", n_samples=1,
        seed=0, dtype="float32",
    ):  # fmt: skip
        self.maps = tuple((check_int("side", side, 1), check_int("channels", channels, 1)) for side, channels in maps)
        self.strides = tuple(check_int("stride", stride, 1) for stride in strides)
        if len(self.strides) != len(self.maps) or self.maps[-1][1] != 1:
            raise ValueError(f"maps must have as many entries as strides, the last of one channel; got {self.maps} and {self.strides}")
        super().__init__(
            self.maps[-1][0] ** 2, n_latent, hidden=hidden, activation=activation, beta=beta, bound=bound, n_samples=n_samples, seed=seed, dtype=dtype,
        )  # fmt: skip
        names = *(f"decoder.{i}" for i in range(len(self.maps) - 1)), "decoder.out"
        decoder = DeconvNetwork(names, ((1, self.n_latent), *self.maps), self.strides, self.activation)
        for name, shape in decoder.shapes.items():
            if min(shape) < 1:
                raise ValueError(f"{name} would have shape {shape}: the sides of maps, 1 and {self.maps}, grow too little for strides {self.strides}")
        self.parts = self.parts._replace(decoder=decoder)
        self.shapes = self.parts.shapes()

    def init_params(self, rng, params):
        """As for every VAE; but a kernel's Glorot bound counts what one output receives and what one input gives."""
        super().init_params(rng, params)
        decoder = self.parts.decoder
        for name, stride, (side, _) in zip(decoder.names, decoder.strides, decoder.maps):
            kernel = params[name + ".W"]
            k, _, C, M = kernel.shape
            bound = np.sqrt(6 / (M * min(side, k / stride) ** 2 + C * k**2))
            kernel[...] = rng.uniform(-bound, bound, kernel.shape)


def pairs(rng):
    """Where to check the pairs of this page."""
    x, y, kernel = rng.standard_normal((2, 9, 7, 4)), rng.standard_normal((2, 4, 3, 5)), rng.standard_normal((3, 3, 4, 5))
    network = DeconvNetwork(("a", "b"), ((1, 6), (2, 4), (5, 3)), (1, 3))
    theta = rng.standard_normal(sum(np.prod(shape) for shape in network.shapes.values()))
    of_theta = over_theta(lambda z, params: deconv_net_forward(z, params, network), deconv_net_backward, network.shapes)
    return {
        "conv": (conv_forward, conv_backward, (x, kernel, 2), ("x", "kernel")),
        "deconv": (deconv_forward, deconv_backward, (y, kernel, 2), ("y", "kernel")),
        "deconv_net": (*of_theta, (theta, rng.standard_normal((2, 3, 6)))),
    }


def models(rng):
    """A small VAE with such a decoder."""
    return {"deconvolution": (DeconvVAE(3, maps=((2, 4), (5, 1)), strides=(1, 3), hidden=(6,)), rng.integers(0, 2, (4, 25)), None)}
