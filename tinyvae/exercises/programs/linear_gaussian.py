# %% [program]
def log_normal(x, mean, C):
    """log N(x; mean, C), (N,), for x and mean (N, D) and a covariance C (D, D)."""
    r = x - mean
    distance = (r * np.linalg.solve(C, r.T).T).sum(-1)
    return -(distance + np.linalg.slogdet(2 * np.pi * C)[1]) / 2


def log_evidence(x, W, eta):
    """log p(x) of the model z ~ N(0, I), x|z ~ N(W z, eta I): x (N, D), W (D, K)."""
    C = W @ W.T + eta * np.eye(len(W))
    return log_normal(x, 0, C)


def posterior(x, W, eta):
    """Mean (N, K) and covariance (K, K) of p(z|x)."""
    S = np.linalg.inv(W.T @ W / eta + np.eye(W.shape[1]))
    return x @ W @ S / eta, S


# %% [check]
def behaviour(program, rng, N, D, K):
    x, W = normal(rng, N, D), normal(rng, D, K)
    return program.log_evidence(x, W, 0.37), program.posterior(x, W, 0.37), program.log_normal(x, 1 + x, np.eye(D) + W @ W.T)


def gradient_check(program):
    return None  # nothing here has a backward


def truth_test(program):
    """Bayes' rule: log p(x|z) + log p(z) - log p(z|x) is log p(x) at every z."""
    x, W, eta = np.array([[1.0, -0.5]]), np.array([[1.0], [2.0]]), 0.25
    (mean, S), log_p = program.posterior(x, W, eta), program.log_evidence(x, W, eta)[0]
    z = np.array([[-1.0], [0.0], [1.0]])
    bayes = program.log_normal(x, z @ W.T, eta * np.eye(2)) + program.log_normal(z, 0, np.eye(1)) - program.log_normal(z, mean, S)
    exact = np.allclose(bayes, bayes[0])
    by_rule = f"Bayes' rule gives {bayes[0]:.2f}" if exact else f"Bayes' rule gives {bayes[0]:.2f}, {bayes[1]:.2f}, {bayes[2]:.2f} at three z"
    return np.allclose(bayes, log_p), f"log p(x) = {log_p:.2f} nats; {by_rule}"
