"""Graded variants done by hand: right answers that the package does not hold, as functions of what was drawn."""

import numpy as np

SLOPES = {  # d sigma / d var of the rows of scales.tsv and slopes.tsv, by the code of sigma
    "np.exp(v / 2)": lambda v: np.exp(v / 2) / 2,
    "np.exp(-t / 2)": lambda t: -np.exp(-t / 2) / 2,
    "np.log1p(np.exp(r))": lambda r: 1 / (1 + np.exp(-r)),
    "np.sqrt(np.log1p(np.exp(r)))": lambda r: 0.5 / (np.sqrt(np.log1p(np.exp(r))) * (1 + np.exp(-r))),
    "1 / np.sqrt(np.log1p(np.exp(r)))": lambda r: -0.5 * np.log1p(np.exp(r)) ** -1.5 / (1 + np.exp(-r)),
    "np.exp(a / 3)": lambda a: np.exp(a / 3) / 3,
    "np.exp(a / 5)": lambda a: np.exp(a / 5) / 5,
    "np.sqrt(c**2 + 0.2)": lambda c: c / np.sqrt(c**2 + 0.2),
    "c**2 + 0.3": lambda c: 2 * c,
    "y + np.sqrt(1 + y**2)": lambda y: 1 + y / np.sqrt(1 + y**2),
    "2 / (1 + np.exp(-g))": lambda g: 2 * np.exp(-g) / (1 + np.exp(-g)) ** 2,
    "3 / (1 + np.exp(-g))": lambda g: 3 * np.exp(-g) / (1 + np.exp(-g)) ** 2,
    "0.1 + np.exp(w)": lambda w: np.exp(w),
    "np.sqrt(0.2 + np.exp(w))": lambda w: np.exp(w) / (2 * np.sqrt(0.2 + np.exp(w))),
    "2**p": lambda p: np.log(2) * np.exp(p * np.log(2)),
    "10 ** (b / 2)": lambda b: np.log(np.sqrt(10)) * np.exp(b * np.log(np.sqrt(10))),
    "np.sqrt(np.cosh(h) / 2)": lambda h: (np.exp(h) - np.exp(-h)) / 4 / np.sqrt(np.exp(h) + np.exp(-h)),
    "1 / np.sqrt(1 + c**2)": lambda c: -c * (1 + c**2) ** -1.5,
    "np.sqrt(2) * np.exp(-(f**2) / 2)": lambda f: -np.sqrt(2) * f / np.exp(f**2 / 2),
    "np.exp(np.tanh(j))": lambda j: np.exp(np.tanh(j)) / np.cosh(j) ** 2,
    "np.log(2 + w**2)": lambda w: 1 / (1 / w + w / 2),
}
CENTRES = {  # (d mean / du, d mean / d sigma)
    "2 * np.tanh(u)": lambda u, sigma: (2 - 2 * np.tanh(u) ** 2, 0),
    "3 * np.tanh(u / 3)": lambda u, sigma: (1 - np.tanh(u / 3) ** 2, 0),
    "2 * u / np.sqrt(1 + u**2)": lambda u, sigma: (2 * (1 + u**2) ** -1.5, 0),
    "u + 0.5 * np.tanh(u)": lambda u, sigma: (1.5 - 0.5 * np.tanh(u) ** 2, 0),
    "sigma * u": lambda u, sigma: (sigma, u),
    "1.5 * sigma * u": lambda u, sigma: (1.5 * sigma, 1.5 * u),
}


def scale(drawn, r):
    """(sigma, its derivative by the encoder's output)."""
    return eval(drawn["sigma"], {"np": np, drawn["var"]: r}), SLOPES[drawn["sigma"]](r)


def graded_kl(drawn):
    def prior_kl_backward(dkl, cache):
        mu, r, *prior = cache
        m, s = prior or eval(drawn["inside"].partition("= ")[2])
        sigma, slope = scale(drawn, r)
        above = dkl[:, None]
        return above * (mu - m) / s**2, above * slope * (sigma / s**2 - 1 / sigma)

    return {"prior_kl_backward": prior_kl_backward}


def graded_sample(drawn):
    def samples_backward(dz, cache):
        u, r, eps = cache
        sigma, slope = scale(drawn, r)
        by_u, by_sigma = CENTRES[drawn["centre"]](u, sigma)
        axis = int(drawn["axis"])
        dmean = dz.sum(axis)
        return dmean * by_u, slope * ((dz * eps).sum(axis) + dmean * by_sigma)

    return {"samples_backward": samples_backward}


def at(code, u):
    """A formula of one letter, at u."""
    return eval(code, {"np": np, "u": u, "e": u, "a1": u})


DENSITIES = {  # d log p / d e, by the name of the density
    "normal": lambda e: -e,
    "logistic": lambda e: np.tanh(-e / 2),
    "hyperbolic secant": lambda e: -np.tanh(e),
    "Gumbel": lambda e: np.exp(-e) - 1,
}


def graded_likelihood(drawn):
    def likelihood_backward(dlog_px, cache):
        u, r, x = cache
        sigma, slope = scale(drawn, r)
        e = (x - u) / sigma
        if drawn["density"].startswith("Student"):
            nu = int(drawn["density"].split()[3])
            by_e = -(nu + 1) * e / (nu + e**2)
        else:
            by_e = DENSITIES[drawn["density"]](e)
        above = dlog_px[:, None]
        dr = -above * slope * (by_e * e + 1) / sigma
        return -above * by_e / sigma, dr.sum(0) if r.ndim == 1 else dr

    return {"likelihood_backward": likelihood_backward}


def sigmoid(u):
    return 1 / (1 + np.exp(-u))


CURVES = {
    "np.tanh(u) + 0.3 * u": lambda u: 1.3 - np.tanh(u) ** 2,
    "u / (1 + np.exp(-2 * u))": lambda u: sigmoid(2 * u) + 2 * u * sigmoid(2 * u) * sigmoid(-2 * u),
    "u / np.sqrt(1 + u**2)": lambda u: (1 + u * u) ** -1.5,
    "np.log1p(np.exp(2 * u)) / 2": lambda u: sigmoid(2 * u),
    "u * np.exp(-(u**2) / 2)": lambda u: (1 - u**2) * np.exp(-u * u / 2),
    "u * np.tanh(u)": lambda u: np.tanh(u) + u / np.cosh(u) ** 2,
    "np.sqrt(1 + u**2) - 1": lambda u: u / np.sqrt(1 + u**2),
    "np.sin(u) + u / 2": lambda u: np.cos(u) + 0.5,
}


def graded_activation(drawn):
    def curve_backward(dy, cache):
        c = float(drawn["c"])
        return dy * CURVES[drawn["code"]](eval(drawn["u"], {"x": cache})) * c

    return {"curve_backward": curve_backward}


def graded_layer(drawn):
    def gained_backward(dy, cache):
        x, W, b, g = cache
        inner, weights = x, W
        if drawn["u"].startswith("(x * g)"):
            inner = x * g
        elif "exp" in drawn["u"]:
            weights = W * np.exp(g)
        u = inner @ weights + b
        slope, out = CURVES[drawn["curve"]](u), at(drawn["curve"], u)
        if drawn["gain"].startswith("g"):
            du, dg = dy * g * slope, (dy * out).sum(0)
        elif "g" in drawn["gain"]:
            du, dg = dy * (slope + g), (dy * u).sum(0)
        else:
            du, dg = dy * slope, None
        dinner, dweights, db = du @ weights.T, inner.T @ du, du.sum(0)
        if drawn["u"].startswith("(x * g)"):
            return dinner * g, dweights, db, (dinner * x).sum(0)
        if "exp" in drawn["u"]:
            return dinner, dweights * np.exp(g), db, (dweights * weights).sum(0)
        return dinner, dweights, db, dg

    return {"gained_backward": gained_backward}


def graded_iwae(drawn):
    def power_bound_backward(dbound, log_w):
        a, share, axis = float(drawn["a"]), float(drawn["share"]), int(drawn["axis"])
        p = np.exp(a * (log_w - log_w.max(axis, keepdims=True)))
        p = p / p.sum(axis, keepdims=True)
        return np.expand_dims(dbound, axis) * (share * p + (1 - share) / log_w.shape[axis])

    return {"power_bound_backward": power_bound_backward}


HIDDEN = {
    "np.tanh(a1)": lambda a: 1 - np.tanh(a) ** 2,
    "a1 / (1 + np.exp(-a1))": lambda a: sigmoid(a) * (1 + a * sigmoid(-a)),
    "np.log1p(np.exp(a1))": sigmoid,
    "a1 / np.sqrt(1 + a1**2)": lambda a: (1 + a**2) ** -1.5,
}
PIXELS = {
    "x * out - np.log1p(np.exp(out))": lambda x, out: x - sigmoid(out),
    "-2 * (x - out) ** 2": lambda x, out: 4 * (x - out),
    "out - x - 2 * np.log1p(np.exp(out - x))": lambda x, out: 1 - 2 * sigmoid(out - x),
    "-2 * np.log(1 + (x - out) ** 2 / 3)": lambda x, out: 4 * (x - out) / (3 + (x - out) ** 2),
}


def graded_elbo(drawn):
    def page_loss_backward(dloss, cache):
        x, eps, params, a1, h1, mu, r, sigma, z, out, *_ = cache
        (L, N), var, s2, beta = eps.shape[:2], drawn["var"], float(drawn["s"]) ** 2, float(drawn["beta"])
        dout = -dloss / (L * N) * PIXELS[drawn["code"]](x, out)
        dz, dkl = dout @ params["W2"].T, beta * dloss / N
        dmu = dz.sum(0) + dkl * mu / s2
        dr = ((dz * eps).sum(0) + dkl * (sigma / s2 - 1 / sigma)) * scale(drawn, r)[1]
        da1 = (dmu @ params["W_mu"].T + dr @ params[f"W_{var}"].T) * HIDDEN[drawn["hidden"]](a1)
        grads = {"W2": np.einsum("lnk,lnd->kd", z, dout), "b2": dout.sum((0, 1)), "W_mu": h1.T @ dmu, "b_mu": dmu.sum(0)}
        return grads | {f"W_{var}": h1.T @ dr, f"b_{var}": dr.sum(0), "W1": x.T @ da1, "b1": da1.sum(0)}

    return {"page_loss_backward": page_loss_backward}


def graded_step(drawn):
    def optimizer_step(theta, dtheta, m, v, t, lr, beta1, beta2, eps, decay=0):
        g = dtheta + decay * theta if drawn["first"] else dtheta
        m = m + (1 - beta1) * (g - m)
        v = v + (1 - beta2) * (((g - m) if "m" in drawn["plain"] else g) ** 2 - v)
        d = beta1 * m + (1 - beta1) * g if "Nesterov" in drawn["d"] else m
        d = d if drawn["direction"] == "m" else d / (1 - beta1**t)
        s = v if drawn["size"] == "v" else v / (1 - beta2**t)
        step = d / np.sqrt(s + eps) if "under" in drawn["where"] else d / (np.sqrt(s) + eps)
        return theta - lr * (step + decay * theta * bool(drawn["also"])), m, v

    return {"optimizer_step": optimizer_step}


def graded_numbers(drawn):
    mu, r = (np.array([float(drawn[f"{name}{k}"]) for k in (1, 2)]) for name in ("mu", "r"))
    m, s = float(drawn["m"]), float(drawn["s"])
    sigma, slope = scale(drawn, r)
    nats = np.sum(np.log(s) - np.log(sigma) + ((sigma / s) ** 2 + ((mu - m) / s) ** 2 - 1) / 2)
    return {"nats": round(nats, 3), "slope_mu": tuple((mu - m) / s**2), f"slope_{drawn['var']}": tuple(slope * (sigma / s**2 - 1 / sigma))}


def graded_divergence(drawn):
    name, w = drawn["name"], float(drawn["order"])

    def distance_forward(mu, r, m, s):
        sigma, slope = scale(drawn, r)
        v, p, gap = sigma**2, s**2, mu - m
        if name.startswith("the KL"):
            terms, dmu, dv = (np.log(v / p) + (p + gap**2) / v - 1) / 2, gap / v, (1 / v - (p + gap**2) / v**2) / 2
        elif name.startswith("the sum"):
            terms, dmu = ((v + gap**2) / p + (p + gap**2) / v - 2) / 2, gap / p + gap / v
            dv = (1 / p - (p + gap**2) / v**2) / 2
        elif "Bhatt" in name:
            terms, dmu = gap**2 / (4 * (v + p)) + np.log((v + p) / 2) / 2 - np.log(v * p) / 4, gap / (2 * (v + p))
            dv = 0.5 / (v + p) - 0.25 / v - gap**2 / (4 * (v + p) ** 2)
        else:
            t = w * p + (1 - w) * v
            terms, dmu = np.log(p / v) / 2 + np.log(t / p) / (2 * (1 - w)) + w * gap**2 / (2 * t), w * gap / t
            dv = -0.5 / v + 0.5 / t - w * (1 - w) * gap**2 / (2 * t**2)
        return terms.sum(1), (dmu, dv * 2 * sigma * slope)

    return {"distance_forward": distance_forward, "distance_backward": lambda ddist, cache: tuple(ddist[:, None] * d for d in cache)}


def graded_mend(drawn):
    def draws_forward(mu, r, eps):
        sigma, slope = scale(drawn, r)
        return eps * sigma + mu, (eps, slope)

    def draws_backward(dz, cache):
        eps, slope = cache
        return dz.sum(0), np.einsum("lnk,lnk,nk->nk", dz, eps, slope)

    draws = drawn["scale"], drawn["z"]  # backward follows them wherever they are wrong, and is wrong itself wherever they are right
    seen_by = "gradient check" if draws == ("<<sigma>>", "mu + sigma * eps") else "truth test"
    return {"draws_forward": draws_forward, "draws_backward": draws_backward, "seen_by": seen_by}


def graded_posterior(drawn):
    def linear_posterior(X, W, b, m, *spreads):
        beta, (*prior, noise) = float(drawn["beta"]), spreads
        p = np.ones(len(m)) / (1 if not prior else prior[0] if np.ndim(prior[0]) == 0 else prior[0] ** 2)
        scaled = W.T * beta / (noise if np.ndim(noise) == 0 else noise**2)
        covariance = np.linalg.inv(np.diag(p) + scaled @ W)
        return ((X - b) @ scaled.T + m * p) @ covariance, covariance

    return {"linear_posterior": linear_posterior}


def graded_shapes(drawn):
    """Every array by the letters of its axes: a gradient is summed over those that the variable has not."""
    n = dict(zip("LNKCRHD", map(int, drawn["sizes"].split(","))))
    order, rows = ("LN" if "concatenate" in drawn["each"] else "NL"), "None" not in drawn["each"]
    pixels, bias = {"D,": ("D", "D"), "": ("D", ""), "R, 1": ("RD", "R")}[drawn["b3"]]
    log_sigma = {"N, K": "NK", "N, 1": "N", "K,": "K"}[drawn["sigma"]]

    def shape(letters):
        return tuple(n[letter] for letter in letters)

    def summed(whole, variable):
        return tuple(axis for axis, letter in enumerate(whole) if letter not in variable)

    samples = (n["L"] * n["N"],) if rows else shape("NL")
    second = {"split": shape(order + "K")} if rows else {"logits": samples + shape(pixels)}
    forward = {"z": (*samples, n["K"]), "log_px": samples, "dW2": (n["K"] + n["C"] * ("zy" in drawn["listing"]), n["H"])} | second
    axes = {"axes_mu": summed(order + "K", "NK"), "axes_log_sigma": summed(order + "K", log_sigma), "axes_b3": summed("." * len(samples) + pixels, bias)}
    return forward | axes | {"dlog_sigma": (n["N"], 1) if log_sigma == "N" else shape(log_sigma)}


RIGHT_LINES = {  # of the two programs, as read
    "mu<<at>> + sigma<<at>> * eps",
    "mu<<at>> + np.sqrt(variance)<<at>> * eps",
    "np.log(s / sigma) + (sigma**2 + (mu - m) ** 2) / (2 * s**2) - 0.5",
    "((variance + (mu - m) ** 2) / s**2 - 1 - np.log(variance / s**2)) / 2",
}


def graded_programs(drawn):
    m, s, axes = float(drawn["m"]), float(drawn["s"]), drawn["axes"].strip("()").split(", ")
    nodes, weights = np.polynomial.hermite_e.hermegauss(3)  # exact for the mean of log q(z) - log p(z), of degree 2 in z

    def finds_mistake(program):
        mu, r = np.tile([2.2, -0.3], (2000, 1)), np.tile([-1.0, 1.3], (2000, 1))
        sigma, rng = scale(drawn, r)[0], np.random.default_rng(5)
        noise = rng if drawn["noise"] == "rng" else rng.standard_normal([{"L": 3, "N": 2000, "K": 2}[axis] for axis in axes])
        (z, kl), _ = program.forward(mu, r, noise)
        centred = (np.moveaxis(z, axes.index("N"), -2) - mu).reshape(-1, 2)
        moments = np.abs(centred.mean(0) / sigma[0]).max(), np.abs(centred.T @ centred / len(centred) / np.outer(sigma[0], sigma[0]) - np.eye(2)).max()
        at = mu + sigma * nodes[:, None, None]
        logs = np.log(s / sigma) + (((at - m) / s) ** 2 - ((at - mu) / sigma) ** 2) / 2
        of_each = np.tensordot(weights / weights.sum(), logs, 1).sum(1)
        return bool(max(moments) > 0.13) or not np.allclose(kl, of_each if "(N,)" in drawn["kl"] else of_each.sum(), rtol=1e-9)

    return {"finds_mistake": finds_mistake, "faulty": "B" if {drawn["z_a"], drawn["nats_a"]} <= RIGHT_LINES else "A"}
