r"""Formulas as a terminal shows them: $\tfrac12 \sum_k \sigma_k^2$ becomes 1/2 Σ_k σ_k^2."""

import re
import textwrap

SIGNS = {
    "sigma": "σ", "mu": "μ", "theta": "θ", "beta": "β", "varepsilon": "ε", "epsilon": "ε", "eta": "η", "pi": "π", "nu": "ν", "lambda": "λ", "phi": "φ",
    "Lambda": "Λ", "Sigma": "Σ", "alpha": "α", "delta": "δ", "sum": "Σ", "prod": "Π", "int": "∫", "sim": "~", "mid": "|", "leftarrow": "<-", "to": "->", "in": " in ",
    "le": "<=", "ge": ">=", "approx": "≈", "neq": "≠", "cdot": "·", "times": "×", "dots": "...", "ldots": "...", "top": "'", "infty": "inf", "partial": "d", "odot": "*", "Vert": "‖",
    "lVert": "‖", "rVert": "‖", "nabla": "∇", "qquad": "@", "quad": "@", "left": "", "right": "", "big": "", "Big": "", "bigl": "", "bigr": "",
}  # fmt: skip
INNER = r"((?:[^{}]|\{[^{}]*\})*)"  # what stands in braces, with braces of one more level
WRAPPED = re.compile(r"\\(?:mathrm|text|mathbb|mathcal|mathtt|mathbf|operatorname|boldsymbol|tilde|bar)\s*(?:\{([^{}]*)\}|(\w))")
HAT = re.compile(r"\\hat\s*(?:\{([^{}]*)\}|(\\?\w+))")
ROOT = re.compile(rf"\\sqrt\s*\{{{INNER}\}}")
FRACTION = re.compile(rf"\\[td]?frac\s*(?:\{{{INNER}\}}|(\w))\s*(?:\{{{INNER}\}}|(\w))")
FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+?(?:\n[^$\n]+?)?)\$", re.DOTALL)


def plain(text):
    r"""A text whose formulas in $..$ are written without LaTeX.

    >>> print(plain(r"Of $q = N(\mu, \sigma^2)$ the KL is $\tfrac12\sum_k \mu_k^2 - \ln\frac{a}{b + 1}$ nats."))
    Of q = N(μ, σ^2) the KL is 1/2 Σ_k μ_k^2 - ln a/(b + 1) nats.
    """
    text = FORMULA.sub(lambda match: f"\n\n    {formula(match[1])}\n\n" if match[1] else formula(match[2]), text)  # $$ on a line of its own
    return re.sub(r"\n\s*\n", "\n\n", text)


def formula(tex):
    """One formula."""
    before, tex = None, re.sub(r"(\\[A-Za-z]+)(?=\\)", r"\1 ", " ".join(tex.split()))
    while tex != before:  # from the inside out
        before, tex = tex, WRAPPED.sub(lambda match: match[1] or match[2], tex)
        tex = FRACTION.sub(_fraction, ROOT.sub(r"sqrt(\1)", HAT.sub(r"\1\2_hat", tex)))
    tex = re.sub(r"\\([A-Za-z]+)", lambda match: SIGNS.get(match[1], f"{match[1]} "), tex)
    tex = re.sub(r"\\[,;:! ]", " ", tex).replace(r"\{", "{").replace(r"\}", "}").replace(r"\_", "_").replace("\\|", "‖")
    tex = re.sub(r"([_^])\{([^\W_]+|-\d)\}", r"\1\2", tex)
    tex = re.sub(r"(?<=\w)(<-|~|≈|<=|>=)", r" \1", re.sub(r"(<-|~|≈|<=|>=)(?=\w)", r"\1 ", tex))
    tex = re.sub(r"([ΣΠ](?:[_^](?:\{[^}]*\}|\w))*)(?=[^\W_])", r"\1 ", tex)
    tex = re.sub(r"\b(log|ln|tanh|max|min|det) +\(", r"\1(", re.sub(r" +([),\]]|\.(?!\.))", r"\1", re.sub(r"([(\[]) +", r"\1", tex)))
    tex = re.sub(r"\b(log|ln) +([^\W\d]\w*/\w+)", r"\1(\2)", tex)
    return re.sub(r" {2,}", " ", tex).replace("@", "   ").strip()


def _fraction(match):
    over, under = ((a if a is not None else b).strip() for a, b in (match.group(1, 2), match.group(3, 4)))
    over, under = (part if re.fullmatch(r"\\?[^\W\d]\w*|\d+", part) else f"({part})" for part in (over, under))
    return f" {over}/{under} "


def reflowed(text, width=92):
    """A text whose paragraphs and list items are broken at a width; indented lines, formulas of their own and tables stay.

    >>> print(reflowed("a b c\\nd e\\nf. g\\n1. h\\ni\\n\\n    x = 1", 8))
    a b c d
    e f. g
    1. h i
    <BLANKLINE>
        x = 1
    """
    return "\n\n".join(_block(block, width) for block in re.split(r"\n\s*\n", text))


def _block(block, width):
    lines = []
    for line in block.splitlines():
        if lines and not line.startswith(("    ", "|", "- ", "$$")) and not re.match(r"\d+\. ", line) and not lines[-1].startswith(("    ", "|")):
            lines[-1] += " " + line.strip()
        else:
            lines.append(line)
    return "\n".join(line if line.startswith(("    ", "|")) else _filled(line, width) for line in lines)


def _filled(line, width):
    indent = re.match(r"(- |\d+\. )?", line)[0]
    return textwrap.fill(line, width, subsequent_indent=" " * len(indent), break_long_words=False, break_on_hyphens=False)
