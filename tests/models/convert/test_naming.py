"""Whatever a file calls its arrays, each gets the name of the network's own parameter that computes the same.

torchvision_reference.json and imgclsmob_reference.json, beside this file, have names and logits of what those two
collections build, and in `how` the programs that made them.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotdog_ft.backend import gluon, mx, nd
from hotdog_ft.models.convert.naming import IMGCLSMOB, TORCHVISION, by_structure
from hotdog_ft.models.convert.read import FileWeights, read_weights
from hotdog_ft.models.efficientnet_lite import efficientnet_lite0, torch_names
from tests.conftest import parameters

REFERENCE, IMGCLSMOBS = (
    json.loads(Path(__file__).with_name(f"{name}_reference.json").read_text())["networks"]
    for name in ("torchvision", "imgclsmob")
)

pytestmark = [
    # MXNet's nd.array names a module that SciPy has moved.
    pytest.mark.filterwarnings("ignore:Please import `csr_matrix`:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Cannot decide type:UserWarning"),  # MXNet's, whenever it reads a graph
    pytest.mark.filterwarnings("ignore:`mapping:DeprecationWarning"),  # what MXNet's exporter uses of onnx
]


def value(index: int, name: str, shape: list[int]) -> np.ndarray:
    """As in `how`: an array that depends on its place in the state dict, its name and its shape alone."""
    noise = np.frombuffer(np.random.RandomState(index).bytes(math.prod(shape)), np.int8).reshape(shape)
    noise = noise.astype(np.float32) / 74  # mean 0, deviation 1
    if len(shape) > 1:
        return noise * np.float32(math.sqrt(2 / math.prod(shape[1:])))
    if name.endswith("running_var"):
        return 1 + np.abs(noise) / 2
    if name.endswith(("weight", "gamma")):
        return 1 + noise / 4
    return noise / 4


def state_dict(reference: dict) -> dict[str, np.ndarray]:
    """The arrays from which the reference's logits come."""
    return {name: value(index, name, shape) for index, (name, shape) in enumerate(reference["shapes"].items())}


def named_dict(torchvision: str) -> dict[str, np.ndarray]:
    """Arrays of the names and shapes of torchvision's, which take no memory."""
    return {name: np.broadcast_to(np.float32(0), shape) for name, shape in REFERENCE[torchvision]["shapes"].items()}


def build(network: str) -> gluon.HybridBlock:
    if "_v1b" in network:
        return pytest.importorskip("gluoncv").model_zoo.get_model(network, pretrained=False)
    return gluon.model_zoo.vision.get_model(network)


def load(net: gluon.HybridBlock, arrays: dict[str, np.ndarray]) -> gluon.HybridBlock:
    """Give the network its values; the arrays must be exactly its own."""
    ours = net._collect_params_with_prefix()
    assert set(arrays) == set(ours)
    net.initialize()
    for name, array in arrays.items():
        ours[name].set_data(nd.array(array))
    return net


def logits_of(net: gluon.HybridBlock) -> np.ndarray:
    """Of the reference's image of noise, shape (1000,)."""
    x = np.random.RandomState(0).standard_normal((1, 3, 224, 224)).astype(np.float32)
    return net(nd.array(x)).asnumpy()[0].astype(np.float64)


def random_net(network: str) -> gluon.HybridBlock:
    """A network with random values everywhere, those of norm layers near 1."""
    mx.random.seed(0)
    net = gluon.model_zoo.vision.get_model(network)
    net.initialize(mx.init.Xavier())
    net.hybridize()
    net(nd.zeros((1, 3, 224, 224)))
    for name, parameter in net.collect_params().items():
        if not name.endswith("weight"):
            parameter.set_data(nd.random.uniform(0.5, 1.5, shape=parameter.shape))
    net(nd.zeros((1, 3, 224, 224)))
    return net


def assert_same(arrays: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """The same names and the same bits."""
    assert set(arrays) == set(expected)
    assert [name for name in expected if arrays[name].tobytes() != expected[name].tobytes()] == []


@pytest.mark.parametrize(
    ("network", "torchvision"),
    [
        ("resnet18_v1", "resnet18"),
        ("resnet18_v1b", "resnet18"),
        ("resnet50_v1b", "resnet50"),
        ("squeezenet1.1", "squeezenet1_1"),
        pytest.param("vgg16_bn", "vgg16_bn", marks=pytest.mark.slow),
        ("densenet121", "densenet121"),
        ("alexnet", "alexnet"),
    ],
)
def test_torchvisions_weights_give_torchvisions_logits(network, torchvision):
    assert TORCHVISION[network] == torchvision
    assert_logits(network, "torch", REFERENCE[torchvision])


@pytest.mark.parametrize(("network", "imgclsmob"), IMGCLSMOB.items())
def test_imgclsmobs_weights_give_imgclsmobs_logits(network, imgclsmob):
    assert_logits(network, "gluon", IMGCLSMOBS[imgclsmob])


def assert_logits(network, file_format, expected):
    net = build(network)
    logits = logits_of(load(net, by_structure(FileWeights(file_format, state_dict(expected)), network, net)))
    scale = math.sqrt(expected["sum_of_squares"] / 1000)
    for index, logit in expected["logits"].items():
        assert logits[int(index)] == pytest.approx(logit, abs=1e-4 * scale)
    # Of a thousand logits, each within 1e-4 of the scale.
    assert logits.sum() == pytest.approx(expected["sum"], abs=0.1 * scale)
    assert np.square(logits).sum() == pytest.approx(expected["sum_of_squares"], rel=2e-4)


@pytest.mark.parametrize(
    ("network", "torchvision"), [(ours, theirs) for ours, theirs in TORCHVISION.items() if theirs in REFERENCE]
)
def test_alphabetical_order_of_safetensors_changes_nothing(network, torchvision):
    state, net = named_dict(torchvision), build(network)
    from_torch = by_structure(FileWeights("torch", state), network, net)
    from_safetensors = by_structure(FileWeights("safetensors", dict(sorted(state.items()))), network, net)
    assert {name: id(array) for name, array in from_safetensors.items()} == {
        name: id(array) for name, array in from_torch.items()
    }


def test_names_of_dataparallel_are_those_without_its_prefix():
    state, net = named_dict("resnet18"), build("resnet18_v1")
    wrapped = {f"module.{name}": array for name, array in state.items()}
    for kind in ("torch", "safetensors"):
        assert set(by_structure(FileWeights(kind, wrapped), "resnet18_v1", net)) == set(
            net._collect_params_with_prefix()
        )


def test_what_is_missing_or_too_much_in_a_state_dict_is_all_that_is_out_of_place():
    net = build("resnet18_v1")
    ours = set(net._collect_params_with_prefix())
    state = named_dict("resnet18")
    more = {**state, "extra": np.float32([1])}
    assert set(by_structure(FileWeights("torch", more), "resnet18_v1", net)) == ours | {"extra"}
    less = {name: array for name, array in state.items() if not name.startswith("fc.")}
    assert set(by_structure(FileWeights("torch", less), "resnet18_v1", net)) == ours - {"output.weight", "output.bias"}


def test_safetensors_whose_names_are_not_torchvisions_stay_as_they_are():
    # Sorted, they would have no order that can be known.
    state = {f"encoder.{name}": array for name, array in named_dict("resnet18").items()}
    assert set(by_structure(FileWeights("safetensors", state), "resnet18_v1", build("resnet18_v1"))) == set(state)


def test_torchvisions_resnet50_does_not_become_gluons_own():
    state = named_dict("resnet50")
    assert set(by_structure(FileWeights("torch", state), "resnet50_v1", build("resnet50_v1"))) == set(state)


@pytest.mark.parametrize("change", ["lacks a layer", "has a layer more", "lacks a bias", "has another shape"])
def test_state_dict_of_another_network_stays_as_it_is(change):
    state = named_dict("squeezenet1_1")
    if change == "lacks a layer":
        del state["features.3.squeeze.weight"], state["features.3.squeeze.bias"]
    elif change == "has a layer more":
        state["features.13.weight"] = state["features.0.weight"]
    elif change == "lacks a bias":
        del state["features.3.squeeze.bias"]
    else:
        state["features.3.squeeze.weight"] = np.zeros((16, 64, 3, 3), np.float32)
    assert set(by_structure(FileWeights("torch", state), "squeezenet1.1", build("squeezenet1.1"))) == set(state)


def test_output_layer_of_another_number_of_classes_is_named_so_that_its_shape_can_be_told():
    state = named_dict("resnet18")
    state["fc.weight"], state["fc.bias"] = np.zeros((10, 512), np.float32), np.zeros(10, np.float32)
    arrays = by_structure(FileWeights("torch", state), "resnet18_v1", build("resnet18_v1"))
    assert arrays["output.weight"].shape == (10, 512)


@pytest.mark.parametrize("network", ["resnet18_v1", "resnet50_v1", "efficientnet_lite0"])
def test_counter_of_batches_is_dropped(network):
    net = efficientnet_lite0() if network == "efficientnet_lite0" else build(network)
    state = {**named_dict("resnet18"), "bn1.num_batches_tracked": np.array(7)}
    arrays = by_structure(FileWeights("torch", state), network, net)
    assert not any(name.endswith("num_batches_tracked") for name in arrays)


def test_efficientnet_lites_state_dict_is_renamed():
    net = efficientnet_lite0()
    state = {theirs: np.array(ours) for ours, theirs in torch_names(net).items()}
    arrays = by_structure(FileWeights("torch", state), "efficientnet_lite0", net)
    assert set(arrays) == set(net._collect_params_with_prefix())
    assert all(array.item() == name for name, array in arrays.items())


def test_structured_names_stay():
    net = random_net("squeezenet1.1")
    expected = parameters(net)
    for kind in ("gluon", "torch", "caffe"):
        assert_same(by_structure(FileWeights(kind, expected), "squeezenet1.1", build("squeezenet1.1")), expected)


@pytest.mark.parametrize("prefix", ["squeezenet7_", "my_own_net_", "conv0_", ""])
@pytest.mark.parametrize("network", ["squeezenet1.1", "resnet18_v2"])  # every name in the first begins with conv
def test_flat_names_match_under_any_prefix_of_the_network(network, prefix):
    net = random_net(network)
    flat = {
        prefix + parameter.name[len(net.prefix) :]: parameter.data().asnumpy()
        for parameter in net.collect_params().values()
    }
    assert_same(by_structure(FileWeights("gluon", flat), network, build(network)), parameters(net))


def test_flat_file_that_lacks_an_array_lacks_only_this_one():
    net = random_net("squeezenet1.1")
    flat = {name: parameter.data().asnumpy() for name, parameter in net.collect_params().items()}
    expected = parameters(net)
    flat.popitem()
    expected.popitem()
    assert_same(by_structure(FileWeights("gluon", flat), "squeezenet1.1", build("squeezenet1.1")), expected)


def test_googlenets_output_layer_which_has_two_names_gets_both():
    googlenet = pytest.importorskip("gluoncv").model_zoo.get_model
    source, net = googlenet("googlenet", pretrained=False), googlenet("googlenet", pretrained=False)
    flat = {name: np.array(name) for name in source.collect_params()}
    assert set(by_structure(FileWeights("gluon", flat), "googlenet", net)) == set(net._collect_params_with_prefix())


def export_onnx(net: gluon.HybridBlock, folder: Path) -> Path:
    net.export(str(folder / "net"))
    path = folder / "net.onnx"
    files = str(folder / "net-symbol.json"), str(folder / "net-0000.params")
    mx.onnx.export_model(*files, [(1, 3, 224, 224)], np.float32, str(path))
    return path


def rename_all(path: Path) -> None:
    """Give every initializer of an ONNX file a name without meaning, and store them in the order of those names."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(path)
    names = {tensor.name: f"t{hash_of(tensor.name)}" for tensor in model.graph.initializer}
    for tensor in [*model.graph.initializer, *model.graph.input]:
        tensor.name = names.get(tensor.name, tensor.name)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    stored = sorted(model.graph.initializer, key=lambda tensor: tensor.name)
    del model.graph.initializer[:]
    model.graph.initializer.extend(stored)
    onnx.save(model, path)


def hash_of(name: str) -> int:
    """Of a few hundred names no two alike, and in another order than theirs."""
    return int.from_bytes(name.encode(), "little") % 999_999_937


@pytest.mark.parametrize("renamed", [False, True], ids=["by name", "by order"])
@pytest.mark.parametrize("network", ["resnet18_v2", "mobilenet0.25", "squeezenet1.1", "mobilenetv2_0.25"])
def test_what_mxnet_exports_to_onnx_comes_back_bit_by_bit(network, renamed, tmp_path):
    pytest.importorskip("onnx")
    source, net = random_net(network), build(network)
    path = export_onnx(source, tmp_path)
    if renamed:
        rename_all(path)
    arrays = by_structure(read_weights(path), network, net)
    # Also the gamma that resnet18_v2's first layer ignores: the exporter writes what is stored.
    assert_same(arrays, parameters(source))
    expected = logits_of(source)
    assert np.ptp(expected) > 0  # else equal logits would show nothing
    np.testing.assert_allclose(logits_of(load(net, arrays)), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_graph_of_another_network_is_not_taken_by_its_order(tmp_path):
    pytest.importorskip("onnx")
    path = export_onnx(random_net("mobilenet0.25"), tmp_path)
    rename_all(path)
    weights = read_weights(path)
    for network in ("mobilenet0.5", "squeezenet1.1"):
        assert set(by_structure(weights, network, build(network))) == set(weights.arrays)


def rename_checkpoint(folder: Path) -> None:
    """Name the parameters of the checkpoint `net` as other code than Gluon's would, x0, x1, …, in no order."""
    symbol, params = folder / "net-symbol.json", folder / "net-0000.params"
    graph, arrays = json.loads(symbol.read_text()), nd.load(str(params))
    names = {}
    for node in graph["nodes"]:
        if node["op"] == "null" and node["name"] != "data":
            names[node["name"]] = node["name"] = f"x{hash_of(node['name'])}"
    symbol.write_text(json.dumps(graph))
    renamed = {f"{key[:4]}{names[key[4:]]}": array for key, array in arrays.items()}
    nd.save(str(params), dict(sorted(renamed.items())))


@pytest.mark.parametrize("file", ["net-symbol.json", "net-0000.params"])
def test_checkpoint_of_other_code_is_matched_by_its_graphs_order(file, tmp_path):
    source = random_net("mobilenet0.25")
    source.export(str(tmp_path / "net"))
    rename_checkpoint(tmp_path)
    arrays = by_structure(read_weights(tmp_path / file), "mobilenet0.25", build("mobilenet0.25"))
    assert_same(arrays, parameters(source))


def test_parameters_without_their_graph_are_not_matched_by_order():
    # In some networks another order than the graph's has the same shapes, such as residualattentionnet56.
    source = random_net("mobilenet0.25")
    order = source(mx.sym.var("data")).list_inputs()[1:]
    arrays = {f"x{i}": source.collect_params()[name].data().asnumpy() for i, name in enumerate(order)}
    unknown = by_structure(FileWeights("gluon", arrays), "mobilenet0.25", build("mobilenet0.25"))
    assert set(unknown) == set(arrays)


TORCH_NAMES = [
    *REFERENCE["squeezenet1_1"]["shapes"],
    "features.3.bn1.running_mean",
    "fc.weight",
    "",
    ".",
    "a..b",
    "layer١",
]


@pytest.fixture(scope="module")
def squeezenet():
    return build("squeezenet1.1")


@given(
    names=st.lists(st.sampled_from(TORCH_NAMES) | st.text(max_size=9), unique=True, max_size=60),
    kind=st.sampled_from(["torch", "safetensors", "onnx", "gluon"]),
    in_graph_order=st.booleans(),
)
def test_no_array_is_lost_or_doubled_whatever_the_names(squeezenet, names, kind, in_graph_order):
    shapes = REFERENCE["squeezenet1_1"]["shapes"]
    state = {name: np.broadcast_to(np.float32(0), shapes.get(name, (1,))) for name in names}
    arrays = by_structure(FileWeights(kind, state, in_graph_order), "squeezenet1.1", squeezenet)
    assert sorted(map(id, arrays.values())) == sorted(map(id, state.values()))
