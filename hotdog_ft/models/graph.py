"""A symbol as what computes it."""

from __future__ import annotations

from collections.abc import Callable

from hotdog_ft.backend import mx, nd

Forward = Callable[[nd.NDArray], nd.NDArray]


def cached_operator(symbol: mx.sym.Symbol, values: dict[str, nd.NDArray]) -> Forward:
    """The function of its input `data` that the symbol is, with static memory: a call writes where the last one did.

    values: every other input, by name; those of other names are not used.
    """
    names = symbol.list_inputs()
    (data,) = (i for i, name in enumerate(names) if name == "data")
    others = [i for i in range(len(names)) if i != data]
    flags = [("data_indices", [data]), ("param_indices", others), ("static_alloc", True), ("static_shape", True)]
    operator = nd.CachedOp(symbol, flags)
    return lambda X: operator(*(X if name == "data" else values[name] for name in names))
