# %% [record]
# title: One step uphill
# kind: function
# lecture: D0 | Estimating the Objective; D1 | Variational Inference for VAE
# notebook: 10
# equation: max over theta of the mean ELBO, by gradient ascent
# tag: SGD.1
# shapes: theta (M,); delbo (N, M); lr a number -> theta (M,)
# lines: 1
# minutes: 5
# outputs: theta
# tests:
#   values 1 = theta after one step, at three sets of sizes; theta itself stays as it was
# steps:
#   theta = the mean over the data of the batch, then a step along it [SGD.1]: which axis, which sign?

# %% [markdown]
# The lecture maximises the ELBO by stochastic gradient *ascent*. A minibatch of N data has given `delbo`, of shape
# (N, M): row n holds the gradient of the ELBO of datum n by the M parameters.
#
# The objective is the *mean* ELBO of the data, which the minibatch estimates. Return `theta`, of shape (M,), after one
# step of ascent on that estimate, with the learning rate `lr`. Make a new array: the one that came in must not change.

# %% [solution]
def sgd_step(theta, delbo, lr):
    """theta (M,), delbo (N, M), lr a number -> theta after the step, a new array (M,)."""
    ### BEGIN SOLUTION
    return theta + lr * delbo.mean(0)
    ### END SOLUTION

# %% [check]
def inputs(rng, N, M):
    return normal(rng, M), normal(rng, N, M), float(rng.uniform(0.02, 0.4))

# %% [hints]
# 1. Which of the two axes counts the data, and which must be left?
# 2. A gradient points to where the function grows.

# %% [wrong] the step goes down the ELBO
# - return theta + lr * delbo.mean(0)
# + return theta - lr * delbo.mean(0)

# %% [wrong] the gradients of the data are summed, so the step grows with the size of the batch
# - return theta + lr * delbo.mean(0)
# + return theta + lr * delbo.sum(0)

# %% [wrong] the mean goes over the parameters too: all of them move by the same amount
# - return theta + lr * delbo.mean(0)
# + return theta + lr * delbo.mean()

# %% [wrong] theta is changed in place
# - return theta + lr * delbo.mean(0)
# + theta += lr * delbo.mean(0)
# + return theta

# %% [note]
# The package minimises loss = -mean ELBO, so its `SGD.step` subtracts: the same step, with the minus in the loss
# [LOSS.1].
