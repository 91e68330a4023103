# %% [record]
# title: The direction of one attribute, the others held fixed
# kind: function
# lecture: D4 | [reply to the comment on the "SMILE" label]; D0 | Perks of VAE (2)
# notebook: 11
# equation: cat + (dog - pig) = catdog: an attribute is a direction in latent space
# tag: -
# shapes: codes (N, K); attributes (N, C) -> directions (C, K)
# lines: 3
# minutes: 20
# outputs: directions
# rtol: 1e-8
# tests:
#   values 2 = one direction for each attribute, at three sets of sizes
#   mixed 1 = where attributes are correlated in the data, each direction is the effect of its attribute alone
#   shifted 1 = adding one and the same vector to all codes, or a constant to an attribute, changes nothing
# steps:
#   directions = the columns of the matrix that multiplies the unknown c and v_j, and the rows of the solution that are asked for

# %% [markdown]
# Is there a direction in latent space that adds a smile? It can be found afterwards, from labelled data: the mean code of the faces that smile, minus that of
# those that do not. But if those who smile also wear glasses more often, this direction adds glasses, too.
#
# Least squares takes the attributes apart. Model the code of a datum as an unknown constant plus a sum over attributes,
# $$code_n ≈ c + \sum_j a_{nj} v_j,$$
# and choose the vector c and the directions $v_j$, all of K numbers, so that the sum of squared errors over the data is least.
#
# Write `attribute_directions(codes, attributes)`: codes of shape (N, K), attributes $a_{nj}$ of shape (N, C), with N larger than C. Return the directions,
# of shape (C, K): row j is the change of the code when attribute j alone rises by one.

# %% [solution]
def attribute_directions(codes, attributes):
    """codes (N, K), attributes (N, C) -> directions (C, K)."""
    ### BEGIN SOLUTION
    design = np.column_stack([attributes, np.ones(len(attributes))])
    fit = np.linalg.lstsq(design, codes, rcond=None)[0]
    return fit[:-1]
    ### END SOLUTION

# %% [check]
# rtol 1e-8: least squares can be solved in several ways
def inputs(rng, K, C):
    attributes = normal(rng, 40, C) @ (np.eye(C) + 0.4 * np.triu(np.ones((C, C)), 1)) + positive(rng, C)
    return attributes @ normal(rng, C, K) + normal(rng, 40, K) + 2, attributes

def test_mixed(student, right, rng):
    table = rng.standard_normal((100, 3)) @ np.array([[1, 0.8, 0], [0, 0.6, 0], [0, 0, 1.0]])  # the first two are correlated
    effect = normal(rng, 3, 4)
    return same(student.attribute_directions(table @ effect + 0.7, table), effect, rtol=1e-8)

def test_shifted(student, right, rng):
    codes, attributes = inputs(rng, 3, 2)
    first = student.attribute_directions(codes, attributes)
    moved = student.attribute_directions(codes + normal(rng, 3), attributes + np.array([0.0, 2.0]))
    return first.shape == (2, 3) and same(first, moved, rtol=1e-8) and bool(np.abs(first).min() > 0)

# %% [hints]
# 1. Put the unknown c and v_j into one matrix with C + 1 rows. What are the columns of the matrix that multiplies it?
# 2. `np.linalg.lstsq(A, B, rcond=None)[0]` is the X for which A X is nearest to B. Which of its rows are asked for?

# %% [wrong] the constant c is left out of the model
# - design = np.column_stack([attributes, np.ones(len(attributes))])
# + design = np.column_stack([attributes, np.zeros(len(attributes))])

# %% [wrong] each attribute is fitted alone, as if there were no others
# - design = np.column_stack([attributes, np.ones(len(attributes))])
# + a = attributes - attributes.mean(0)
# - fit = np.linalg.lstsq(design, codes, rcond=None)[0]
# + fit = (a.T @ codes) / (a**2).sum(0)[:, None]
# - return fit[:-1]
# + return fit

# %% [wrong] the difference of the mean codes above and below an attribute's median is taken
# - design = np.column_stack([attributes, np.ones(len(attributes))])
# + has = attributes > np.median(attributes, axis=0)
# - fit = np.linalg.lstsq(design, codes, rcond=None)[0]
# + fit = [codes[h].mean(0) - codes[~h].mean(0) for h in has.T]
# - return fit[:-1]
# + return np.array(fit)

# %% [wrong] the row of the constant is returned as if it were an attribute
# - return fit[:-1]
# + return fit

# %% [wrong] the attributes are regressed on the codes, not the codes on the attributes
# - fit = np.linalg.lstsq(design, codes, rcond=None)[0]
# + fit = np.linalg.lstsq(np.column_stack([codes, np.ones(len(codes))]), design, rcond=None)[0].T

# %% [wrong] the row of the constant, here the first, is returned as if it were an attribute
# - design = np.column_stack([attributes, np.ones(len(attributes))])
# + design = np.column_stack([np.ones(len(attributes)), attributes])
# - return fit[:-1]
# + return fit

# %% [note]
# Notebook 11 compares both on glyphs with six attributes, and moves one along its directions.
