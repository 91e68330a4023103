# %% [program]
def log_evidence(log_px, width=8.0, n=801):
    """log p(x) = log of the integral of p(x|z) p(z) over z, for the prior N(0, 1), by a sum over a grid; log_px: z (M,) -> (M,)."""
    z = np.linspace(-width, width, n)
    dz = z[1] - z[0]
    log_joint = log_px(z) - (z**2 + np.log(2 * np.pi)) / 2
    top = log_joint.max()
    return top + np.log(np.exp(log_joint - top).sum() * dz)


# %% [check]
def behaviour(program, rng, N):
    return np.array([program.log_evidence(lambda z: -((x - z) ** 2), n=n) for x in normal(rng, N) for n in (401, 801)])


def gradient_check(program):
    return None  # nothing here has a backward


def truth_test(program):
    """x|z ~ N(z, 1) at x = 1: log p(x) = log N(1; 0, 2), on a coarse and on a fine grid."""
    coarse, fine = (program.log_evidence(lambda z: -((1 - z) ** 2 + np.log(2 * np.pi)) / 2, n=n) for n in (201, 801))
    exact = -(1 / 2 + np.log(4 * np.pi)) / 2
    return np.allclose([coarse, fine], exact), f"{coarse:.2f} with 201 points, {fine:.2f} with 801; log p(x) = {exact:.2f}"
