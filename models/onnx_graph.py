"""An ONNX graph in the making."""

from collections.abc import Iterable, Sequence
from itertools import chain, count
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from models.data import Array

OPSET = 15
IR_VERSION = 8
"""Both old enough for every ONNX Runtime of the last years."""


class Graph:
    """Inputs, and what is computed of them. Each method returns the name of what it adds.

    Args:
        rows_last: Whether the rows of what layers take and give run along the last axis or the
            first one; `axis` is the other one.
    """

    def __init__(self, rows_last: bool) -> None:
        self.rows_last = rows_last
        self.axis = 0 if rows_last else 1
        self._inputs: list[onnx.ValueInfoProto] = []
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._names: set[str] = set()

    def input(self, name: str, dtype: str, shape: Sequence[str | int]) -> str:
        """Takes another input; before anything is computed, so that its name is still free."""
        self._inputs.append(helper.make_tensor_value_info(name, _element(dtype), shape))
        self._names.add(name)
        return name

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        """Keeps a weight."""
        name = self._free(name)
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def apply(self, operation: str, *inputs: str, name: str, **attributes: Any) -> str:
        """Computes `name` of the inputs."""
        name = self._free(name)
        self._nodes.append(helper.make_node(operation, inputs, [name], name=name, **attributes))
        return name

    def cast(self, value: str, dtype: str, name: str) -> str:
        """Computes `value` in another dtype."""
        return self.apply("Cast", value, name=name, to=_element(dtype))

    def product(self, x: str, kernel: Array) -> str:
        """Computes `kernelᵀ x` of every row."""
        return self.apply("MatMul", *self._factors(x, kernel), name="product")

    def affine(self, x: str, kernel: Array, bias: Array) -> str:
        """Computes `kernelᵀ x + bias` of every row."""
        summand = self.constant("bias", bias[:, np.newaxis] if self.rows_last else bias)
        return self.apply("Gemm", *self._factors(x, kernel), summand, name="affine")

    def _factors(self, x: str, kernel: Array) -> tuple[str, str]:
        factor = self.constant("kernel", kernel.T if self.rows_last else kernel)
        return (factor, x) if self.rows_last else (x, factor)

    def split(self, x: str, sizes: Sequence[int]) -> list[str]:
        """Cuts the numbers of each row into parts of these sizes."""
        if len(sizes) == 1:
            return [x]
        names = [self._free("part") for _ in sizes]
        given = [x, self.constant("sizes", np.array(sizes))]
        self._nodes.append(helper.make_node("Split", given, names, axis=self.axis))
        return names

    def join(self, *parts: str, name: str) -> str:
        """Puts the numbers of each row one after the other."""
        return self.apply("Concat", *parts, name=name, axis=self.axis)

    def model(
        self, predictions: str, dtype: str, domains: Iterable[tuple[str, int]] = ()
    ) -> onnx.ModelProto:
        """All of it as a model that answers `predictions`, `(batch, 1)`."""
        output = helper.make_tensor_value_info(predictions, _element(dtype), ["batch", 1])
        made = helper.make_model(
            helper.make_graph(self._nodes, "crosscheck", self._inputs, [output], self._weights),
            opset_imports=[helper.make_opsetid(*domain) for domain in [("", OPSET), *domains]],
            ir_version=IR_VERSION,
        )
        onnx.checker.check_model(made, full_check=True)
        return made

    def _free(self, name: str) -> str:
        numbered = (f"{name}_{number}" for number in count(1))
        free = next(each for each in chain([name], numbered) if each not in self._names)
        self._names.add(free)
        return free


def _element(dtype: str) -> int:
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
