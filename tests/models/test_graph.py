from __future__ import annotations

import numpy as np

from hotdog_ft.backend import mx, nd
from hotdog_ft.models.graph import cached_operator, in_order, read_graph, write_graph


def test_a_graph_written_as_it_was_read_computes_the_same(toy_net):
    net = toy_net([mx.cpu()], batch_norm=True)
    X = nd.array(np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3)), dtype="uint8")
    symbol = write_graph(read_graph(net(mx.sym.var("data")), {}))
    values = {name: parameter.data() for name, parameter in net.collect_params().items()}
    assert (cached_operator(symbol, values)(X).asnumpy() == net(X).asnumpy()).all()


def test_nodes_come_after_what_they_need_and_once():
    a = mx.sym.var("a")
    b = mx.sym.relu(a, name="b")
    outputs = read_graph(mx.sym.elemwise_add(mx.sym.negative(b, name="c"), b, name="d"), {"a": (2, 3)})
    nodes = in_order(outputs)
    assert [node.name for node in nodes] == ["a", "b", "c", "d"]
    assert nodes[0].shape == (2, 3)
    assert nodes[1].shape is None
