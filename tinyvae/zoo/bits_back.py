"""Bits back: a VAE as a file compressor, whose messages are as long as its -ELBO says (lecture D2: "compression needs a VAE").

A code of p(x|z) alone would have to send z as well, to 12 bits a dimension. Bits back draws z by *reading* bits of the message
so far, and the receiver writes them back: z costs its KL alone. Images are binary. Source: Townsend, Bird and Barber, arXiv:1901.04866.
"""

import functools
import math
import struct
import zlib
from bisect import bisect_right
from statistics import NormalDist

import numpy as np

from ..layers import sigmoid
from ..support.streams import SAMPLING, stream
from ..support.validation import check_int
from ..vae import VAE

WORD = 32  # bits of a word of the message
PIXEL_BITS = 24  # log2 of the counts of one pixel
HEADER = struct.Struct("<4sBBHIIIII")  # name, z_bits, q_bits, 0, N, D, K, checksums of the model and of the words

# ---- a message that is a stack --------------------------------------------------------------------


class Stack:
    """A message to which the last symbol that was written is the first to be read: asymmetric numeral systems (ANS).

    A symbol j has the slots from counts(j) up to counts(j + 1), out of 2^bits in all; their number is its mass. All that is
    stored is whole numbers, so `pop` undoes `push` exactly, and `push` undoes `pop`.

    Parameters
    ----------
    words : iterable of int, at least one, each below 2^32
        The message so far; where bits are read as random ones, these must be random.

    Attributes
    ----------
    head : int, from 2^32 up to 2^64
    words : list of int, below the head

    Examples
    --------
    >>> stack, counts = Stack([5]), (0, 3, 4)  # of two symbols, of 3 and 1 in 2^2
    >>> before = stack.bits
    >>> stack.push(1, counts.__getitem__, 2)
    >>> round(stack.bits - before, 6), stack.pop(2, counts.__getitem__, 2), stack.bits == before
    (2.0, 1, True)
    """

    def __init__(self, words):
        *self.words, last = map(int, words)
        self.head = 1 << WORD | last

    @property
    def bits(self):
        """The length of the message: log2 of what is stored, taken as one number."""
        return WORD * len(self.words) + math.log2(self.head)

    def push(self, symbol, counts, bits):
        """head' = 2^bits floor(head / mass) + start + head mod mass:  log2(2^bits / mass) bits more          [ANS.1]

        symbol and bits are whole numbers; counts goes from a symbol to the sum of all masses below it.
        """
        start, mass = counts(symbol), counts(symbol + 1) - counts(symbol)
        if mass <= 0:
            raise ValueError(f"symbol {symbol} has no counts to be written with: were these the counts that it was read with?")
        if self.head >= mass << 2 * WORD - bits:  # it would pass 2^64
            self.words.append(self.head & (1 << WORD) - 1)
            self.head >>= WORD
        self.head = (self.head // mass << bits) + start + self.head % mass

    def pop(self, n, counts, bits):
        """slot = head mod 2^bits is one of the symbol's;  head' = mass floor(head / 2^bits) + slot - start   [ANS.2]

        The symbol, one of n, is drawn with the probability mass / 2^bits if the message is random.
        """
        slot = self.head & (1 << bits) - 1
        symbol = bisect_right(range(n), slot, key=counts) - 1
        start, mass = counts(symbol), counts(symbol + 1) - counts(symbol)
        self.head = mass * (self.head >> bits) + slot - start
        if self.head < 1 << WORD:
            if not self.words:
                raise ValueError("the message has no more bits to give back: start from more words in initial")
            self.head = self.head << WORD | self.words.pop()
        return symbol


@functools.cache
def bins(z_bits):
    """2^z_bits bins of equal mass under N(0, 1): (their edges, -inf and inf among them; the median of each)."""
    n, normal = 1 << z_bits, NormalDist()
    edges = [-math.inf, *(normal.inv_cdf(j / n) for j in range(1, n)), math.inf]
    return edges, np.array([normal.inv_cdf((j + 0.5) / n) for j in range(n)])


# ---- images ----------------------------------------------------------------------------------------


class BitsBack:
    """Lossless compression of binary images by a VAE.

    Sender and receiver must compute the same counts, to the last digit: both run the networks on one image at a time, so the
    same machine, with the same NumPy and its BLAS on as many threads, gives them. Elsewhere a product of matrices may
    round otherwise, and one count that differs spoils the rest of the message.

    Parameters
    ----------
    vae : VAE, with likelihood="bernoulli", posterior="diagonal" and prior="standard"
    z_bits : int, 1 to 16
        log2 of the number of bins of each latent; all have the same mass under the prior.
    q_bits : int, 1 to 32
        log2 of the counts of q(z|x) in all its bins; too few of them bend q.

    Examples
    --------
    >>> from tinyvae import VAE, load_digits
    >>> X = (load_digits()[0][:4] >= 0.5).astype("float32")
    >>> coder = BitsBack(VAE(64, 2))
    >>> message = coder.compress(X, initial=[1, 20, 300, 4000])
    >>> Y, initial = coder.decompress(message)
    >>> print((X == Y).all(), initial)
    True [   1   20  300 4000]
    """

    def __init__(self, vae, z_bits=12, q_bits=24):
        if not isinstance(vae, VAE):
            raise TypeError(f"vae must be a VAE, got a {type(vae).__name__}")
        for name, wanted in (("likelihood", "bernoulli"), ("posterior", "diagonal"), ("prior", "standard")):
            if getattr(vae, name) != wanted:
                raise ValueError(f"vae must have {name}={wanted!r}, got {getattr(vae, name)!r}: the code is made for binary pixels and Gaussian bins")
        self.vae, self.z_bits, self.q_bits = vae, check_int("z_bits", z_bits, 1), check_int("q_bits", q_bits, 1)
        if self.z_bits > 16 or self.q_bits > WORD:
            raise ValueError(f"z_bits must be at most 16 and q_bits at most {WORD}, got {z_bits} and {q_bits}")
        self.edges, self.medians = bins(self.z_bits)

    def push(self, stack, x):
        """Write x: -log2 p(x|z) - log2 p(z) + log2 q(z|x) bits for the z that is drawn, in the mean over q -ELBO / ln 2    [BITS.1]

        z is a draw from q if the words on top are random. After another image those are its z, and random only as far as the
        mean of q over the data, the aggregate posterior, is the prior; on digits no change of the length can be seen.

        Parameters
        ----------
        stack : Stack, changed in place
        x : ndarray of shape (D,), of zeros and ones

        Returns
        -------
        z : ndarray of shape (K,), the latents that were drawn
        """
        drawn = [stack.pop(len(self.medians), counts, self.q_bits) for counts in self._posterior(x)]  # z ~ q(z|x), from the message's own bits
        for pixel, counts in zip(x, self._pixels(drawn)):
            stack.push(int(pixel), counts, PIXEL_BITS)  # x, by p(x|z)
        for j in drawn:
            stack.push(j, int, self.z_bits)  # z, by p(z): all bins have the same mass
        return self.medians[drawn]

    def pop(self, stack):
        """Read the x of shape (D,) that was written last: the lines of `push` from last to first, which gives its bits back."""
        drawn = [stack.pop(len(self.medians), int, self.z_bits) for _ in range(self.vae.n_latent)][::-1]
        x = np.array([stack.pop(2, counts, PIXEL_BITS) for counts in self._pixels(drawn)[::-1]][::-1], self.vae.dtype)
        for j, counts in reversed(list(zip(drawn, self._posterior(x)))):
            stack.push(j, counts, self.q_bits)
        return x

    def _posterior(self, x):
        """The counts of each latent's bins under q(z|x). A bin may have none: what is written was read, and so has some."""
        mu, log_sigma = (part[0].astype(float) for part in self.vae.encode(x[None]))
        normals = map(NormalDist, mu.tolist(), np.exp(np.clip(log_sigma, -300, 300)).tolist())
        return [lambda j, cdf=normal.cdf: int(cdf(self.edges[j]) * (1 << self.q_bits)) for normal in normals]

    def _pixels(self, drawn):
        """The counts of each pixel under p(x|z) at the medians of the bins: at least one for 0, and one for 1."""
        p_of_zero = sigmoid(-self.vae.decoder_output(self.medians[drawn][None])[0].astype(float))
        zeros = np.clip(np.rint(p_of_zero * 2.0**PIXEL_BITS), 1, 2.0**PIXEL_BITS - 1).astype(int)
        return [(0, n, 1 << PIXEL_BITS).__getitem__ for n in zeros.tolist()]

    # ---- messages as files hold them ---------------------------------------------------------------

    def compress(self, X, initial=None, seed=0):
        """The message of all rows of X, as bytes: a header of 28, then words of 4.

        Parameters
        ----------
        X : ndarray of shape (N, D), of zeros and ones
        initial : sequence of int below 2^32, optional
            Random words to start from, K + 2 by `seed` unless given: the first image reads its z from them, z_bits K bits less
            its KL in bits. They are part of the message and come back with the images, so they may be a message of their own.

        Raises
        ------
        ValueError
            If pixels are not 0 or 1, or `initial` is empty, too short, or holds what is no word.
        """
        X = self.vae.scaled(self.vae.check_data(X))
        if not np.isin(X, (0, 1)).all():
            raise ValueError(f"X must hold zeros and ones, got values from {X.min():g} to {X.max():g}: threshold it, as (X >= 0.5)")
        if initial is None:
            initial = stream(seed, SAMPLING).integers(1 << WORD, size=self.vae.n_latent + 2)
        initial = [check_int("initial", word, 0) for word in initial]
        if not initial or max(initial) >> WORD:
            raise ValueError(f"initial must be words from 0 to 2^{WORD} - 1, at least one, got {initial}")
        stack = Stack(initial)
        for x in X:
            self.push(stack, x)
        words = np.array([*stack.words, stack.head & (1 << WORD) - 1, stack.head >> WORD], "<u4").tobytes()
        return self._header(len(X), words) + words

    def decompress(self, message):
        """(X of shape (N, D), the initial words of shape (I,)); ValueError if the message is damaged or of another model."""
        if not isinstance(message, (bytes, bytearray)):
            raise TypeError(f"message must be bytes, as compress returns them, got {type(message).__name__}")
        header, words = message[: HEADER.size], message[HEADER.size :]
        if len(header) < HEADER.size or header[:4] != b"tvbb":
            raise ValueError(f"message must begin with the {HEADER.size} bytes of a header that compress wrote, got {bytes(header[:4])!r}")
        n = HEADER.unpack(header)[4]
        wanted = self._header(n, words)
        if header[:-4] != wanted[:-4]:
            raise ValueError("message is of another model or other precisions: read it with the VAE, z_bits and q_bits that wrote it")
        if header != wanted or n == 0:
            raise ValueError("message is damaged: its checksum is not that of its words; fetch it again")
        stack = Stack([0])
        *stack.words, low, high = np.frombuffer(words, "<u4").tolist()
        stack.head = high << WORD | low
        X = np.array([self.pop(stack) for _ in range(n)][::-1])
        if stack.head >> WORD != 1:
            raise ValueError("message does not lead back to its start: read it on the machine, and with the NumPy, that wrote it")
        return X, np.array([*stack.words, stack.head & (1 << WORD) - 1])

    def _header(self, n, words):
        vae = self.vae
        of_model = zlib.crc32(vae.theta.tobytes(), zlib.crc32(repr((vae.hidden, vae.activation, vae.dtype)).encode()))
        fields = HEADER.pack(b"tvbb", self.z_bits, self.q_bits, 0, n, vae.n_features, vae.n_latent, of_model, 0)[:-4]
        return fields + struct.pack("<I", zlib.crc32(words, zlib.crc32(fields)))
