"""Which features a cross network multiplies with each other, and how much that moves its output.

Wang et al., "DCN V2", 2021, show the Frobenius norms of the blocks of `W` in the first cross layer:
the block of two features says how strongly one is multiplied with the other. Two things are added,
where they are known. The linear unit above: what one half of `W` says of a product the other half
may take back, and only the sum of both, weighted as they are in the output, is determined by the
data. And the spread of `x0`: a weight tells of strength only beside the size of what it weighs
(Gelman, "Scaling Regression Inputs by Dividing by Two Standard Deviations", 2008, on coefficients).

All kernels are as Keras has them, `(inputs, units)`: of `W`, the transpose. One of low rank is the
product of its factors. A mixture of experts has none: its gates and activations depend on the row.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.data import Array
from models.preprocessing import Preprocessing


class Interaction(NamedTuple):
    """Two features that are multiplied, or one with itself, and the strength of that."""

    a: str
    b: str
    strength: float


def positions(preprocessing: Preprocessing) -> dict[str, list[int]]:
    """Where in `x0` each feature of a table is: a number, its mark and its lookup; words.

    This is so without numeric embeddings.
    """
    where = {number.name: [index] for index, number in enumerate(preprocessing.numbers)}
    end = len(where)
    for number in preprocessing.numbers:
        if number.marked:
            where[number.name].append(end)
            end += 1
    for each in preprocessing.coded:
        start, end = end, end + each.width
        where.setdefault(each.name, []).extend(range(start, end))
    return where


def second_order(kernels: Iterable[NDArray[np.floating]], biases: Iterable[Array]) -> Array:
    """One kernel for all products of two elements of `x0` that several cross layers make.

    Each layer multiplies `x0` with what the one before made, of which the part of first order is
    `x0` times one and the biases so far. Products of three and more are left out.

    Args:
        kernels: Of each cross layer, `(width, width)`, the first one first.
        biases: Of each cross layer, `(width,)`.
    """
    result, first_order = np.zeros((1, 1)), np.ones(1)
    for kernel, bias in zip(kernels, biases, strict=True):
        result = result + first_order[:, np.newaxis] * kernel
        first_order = first_order + bias
    return result


def interactions(
    kernel: NDArray[np.floating],
    where: Mapping[str, Sequence[int]],
    output: NDArray[np.floating] | None = None,
    spread: NDArray[np.floating] | None = None,
) -> list[Interaction]:
    """The strength of each product of two features, and of each with itself, the strongest first.

    With `output` and `spread`, it is in the unit of the network's output: about the standard
    deviation of that product, if features are independent.

    Args:
        kernel: Of the first cross layer, or of all as `second_order` has it, `(width, width)`.
        where: Of each feature, where it is in `x0`.
        output: The weight of each unit of the cross layers in the linear unit, `(width,)`. Where
            there is none, as in a stack below ReLU layers, all count alike: then the strength is
            the norm of both blocks of two features, and each may be there to take back the other.
        spread: The standard deviations of `x0` in the training rows, `(width,)`; default: all 1.
    """
    weights = np.asarray(kernel, np.float64)
    if spread is not None:
        weights = weights * spread * np.reshape(spread, (-1, 1))
    weights = weights**2 if output is None else weights * output
    # Both ways of multiplying two elements of `x0`, above the diagonal.
    both = np.triu(weights) + np.triu(weights.T, 1)
    member = np.zeros((len(weights), len(where)))
    for feature, its in enumerate(where.values()):
        member[its, feature] = 1
    blocks = member.T @ (both if output is None else both**2) @ member
    strength = np.sqrt(np.triu(blocks) + np.triu(blocks.T, 1))
    pairs = combinations_with_replacement(enumerate(where), 2)
    found = [Interaction(a, b, float(strength[i, j])) for (i, a), (j, b) in pairs]
    return sorted(found, key=lambda one: -one.strength)
