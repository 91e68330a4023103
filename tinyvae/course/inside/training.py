# Stands below the code of a submission, in its child: trains the submission's page with the submission's own parts and Adam.


def train_page(X, weights, epochs, batch_size, lr, seed):
    """X (N, D), weights by name -> the weights after training; the parent judges them."""
    import types

    import numpy as np

    own = globals()
    parts = types.SimpleNamespace(**{name: value for name, value in own.items() if name.endswith(("_forward", "_backward"))})
    rng, names, sizes = np.random.default_rng(seed), list(weights), [weight.size for weight in weights.values()]
    theta = np.concatenate([weight.ravel() for weight in weights.values()])
    m, v, t = np.zeros_like(theta), np.zeros_like(theta), 0

    def views():
        return {name: part.reshape(weights[name].shape) for name, part in zip(names, np.split(theta, np.cumsum(sizes)[:-1]))}

    for _ in range(epochs):
        order = rng.permutation(len(X))
        for start in range(0, len(X), batch_size):
            x, t = X[order[start : start + batch_size]], t + 1
            eps = rng.standard_normal((len(x), weights["mu.b"].size), dtype=X.dtype)
            _, cache = own["vae_forward"](x, eps, views(), parts)
            grads = own["vae_backward"](X.dtype.type(1), cache, parts)
            dtheta = np.concatenate([np.asarray(grads[name], X.dtype).ravel() for name in names])
            theta, m, v = own["adam_step"](theta, dtheta, m, v, t, lr, 0.9, 0.999, 1e-8)
    return views()
