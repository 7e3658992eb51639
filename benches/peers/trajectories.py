"""Writes whole trainings by PyTorch in float64, for `faceshader verify --trajectory`.

    python trajectories.py model MODEL.toml OUT [--steps 10] [--batch N] [--seed S]
    python trajectories.py random OUT [--count 30] [--seed S]

`model` trains a model of ours without its dropout and augmentation, and with an epsilon of Adam of at least 0.001,
so that gradients near zero do not decide. `random` draws models of all kinds. Every case is a folder of `model.toml`
and `trajectory.safetensors`: `input` (steps, N, 3, H, W) or `tokens` (steps, N, length), `target.NAME` (steps, N),
`initial.PARAM` and `final.PARAM` in PyTorch's layout, and `loss` (steps), the total loss before each update. The last
column that it prints is how far PyTorch in float32 ends from float64, as a share of the distance covered.

Needs Python 3.11, torch, numpy and safetensors.
"""

import argparse
import json
import math
import random
import tomllib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

LEAST_EPSILON = 0.001
# A random case that ends further from float64 than this in PyTorch's own float32 decides by rounding.
WELL_CONDITIONED = 2e-5


def pair(value):
    return list(value) if isinstance(value, (list, tuple)) else [value, value]


def same(extent, kernel, stride):
    """Zeros before and after, as in our `padding = "same"`: an odd one goes to the end."""
    output = -(-extent // stride)
    total = max((output - 1) * stride + kernel - extent, 0)
    return total // 2, total - total // 2


class Network:
    """A model of ours, layer by layer; parameters have our names."""

    def __init__(self, model, generator):
        self.model, self.generator = model, generator
        self.parameters, self.running = {}, {}

    def parameter(self, name, shape, scale, mean=0.0):
        """Drawn when a layer first sees its input, and a float32 number from the beginning."""
        if name not in self.parameters:
            drawn = self.generator.normal(mean, scale, shape).astype(np.float32)
            self.parameters[name] = torch.tensor(drawn.astype(np.float64), requires_grad=True)
        return self.parameters[name]

    def of(self, name, fan_in, shape):
        weight = self.parameter(f"{name}.weight", shape, math.sqrt(2.0 / fan_in))
        return weight, self.parameter(f"{name}.bias", [shape[0]], 0.1)

    def layer(self, layer, name, inputs):
        x, op = inputs[0], layer["op"]
        kernel, stride, padding = layer.get("kernel"), layer.get("stride"), layer.get("padding", 0)
        if op == "conv2d":
            kernel, stride = pair(kernel), pair(stride or 1)
            if padding == "same":
                (top, bottom), (left, right) = (same(x.shape[2 + a], kernel[a], stride[a]) for a in (0, 1))
                x, padding = F.pad(x, [left, right, top, bottom]), 0
            padding = [0, 0] if padding in (0, "valid") else pair(padding)
            shape = [layer["out_channels"], x.shape[1], *kernel]
            return F.conv2d(x, *self.of(name, math.prod(shape[1:]), shape), stride=stride, padding=padding)
        if op == "depthwise_conv2d":
            kernel, stride, channels = pair(kernel), pair(stride or 1), x.shape[1]
            if padding == "same":
                (top, bottom), (left, right) = (same(x.shape[2 + a], kernel[a], stride[a]) for a in (0, 1))
                x, padding = F.pad(x, [left, right, top, bottom]), 0
            padding = [0, 0] if padding in (0, "valid") else pair(padding)
            weight, bias = self.of(name, math.prod(kernel), [channels, *kernel])
            return F.conv2d(x, weight.unsqueeze(1), bias, stride=stride, padding=padding, groups=channels)
        if op == "conv1d":
            shape = [layer["out_channels"], x.shape[1], kernel]
            weights = self.of(name, math.prod(shape[1:]), shape)
            return F.conv1d(x, *weights, stride=stride or 1, padding=padding)
        if op == "dense":
            return F.linear(x, *self.of(name, x.shape[1], [layer["out_features"], x.shape[1]]))
        if op == "embedding":
            rows = layer.get("vocabulary") or self.model["input"]["vocabulary"]
            table = self.parameter(f"{name}.weight", [rows, layer["width"]], 0.3)
            found = F.embedding(x, table)
            return found.transpose(1, 2) if layer.get("channels_first") else found
        if op == "batch_norm2d":
            channels = x.shape[1]
            weight = self.parameter(f"{name}.weight", [channels], 0.2, 1.0)
            bias = self.parameter(f"{name}.bias", [channels], 0.2)
            return F.batch_norm(x, None, None, weight, bias, True, 0.1, layer.get("epsilon", 1e-5))
        simple = {
            "relu": F.relu,
            "sigmoid": torch.sigmoid,
            "flatten": lambda x: x.flatten(1),
            "global_avg_pool2d": lambda x: x.mean((2, 3), keepdim=True),
            "global_avg_pool1d": lambda x: x.mean(2, keepdim=True),
            "max_pool2d": lambda x: F.max_pool2d(x, kernel, stride),
            "max_pool1d": lambda x: F.max_pool1d(x, kernel, stride),
            "upsample2d": lambda x: F.interpolate(x, scale_factor=[float(s) for s in pair(layer["scale"])], mode="nearest"),
            "avg_pool2d": lambda x: F.avg_pool2d(x, kernel, stride),
            "add": lambda x: x + inputs[1],
        }
        if op not in simple:
            raise SystemExit(f"layer {name}: trajectories.py does not know {op}")
        return simple[op](x)

    def outputs(self, x):
        """What each branch ends with."""
        known, ends = {}, {}

        def run(layers, branch, x):
            for layer in layers:
                name = f"{branch}.{layer['name']}" if branch else layer["name"]
                asked = layer.get("input", [])
                asked = [asked] if isinstance(asked, str) else asked
                inputs = [known.get(f"{branch}.{other}", known.get(other)) for other in asked] or [x]
                known[name] = x = self.layer(layer, name, inputs)
            return x

        shared = run(self.model.get("layer", []), "", x)
        for branch in self.model["branch"]:
            ends[branch["name"]] = run(branch.get("layer", []), branch["name"], shared)
        return ends

    def loss(self, x, targets):
        total = 0.0
        for branch, end in zip(self.model["branch"], self.outputs(x).values()):
            loss, target = branch["loss"], targets[branch["target"]]
            if loss["op"] == "softmax_cross_entropy":
                value = F.cross_entropy(end, target.long())
            else:
                of = {"mse": F.mse_loss, "bce_with_logits": F.binary_cross_entropy_with_logits}[loss["op"]]
                value = of(end.reshape(len(target)), target.to(end.dtype))
            total = total + loss.get("weight", 1.0) * value
        return total


def classes_of(model):
    """Of softmax, the outputs of the last layer; otherwise two."""
    branch = next(branch for branch in model["branch"] if branch["target"] == "class")
    layers = branch.get("layer") or model["layer"]
    return layers[-1]["out_features"] if branch["loss"]["op"] == "softmax_cross_entropy" else 2


def draw(model, steps, batch, generator):
    """What the model sees as float64 or whole numbers, and the targets, each (steps, N, ...)."""
    of, targets = model["input"], {}
    if "length" in of:
        inputs = generator.integers(0, of["vocabulary"], (steps, batch, of["length"]), np.int32)
    else:
        low, high = of.get("range", [0.0, 1.0])
        k = generator.integers(0, 256, (steps, batch, 3, of["height"], of["width"]))
        inputs = low + (high - low) * (k / 255)
    for target in (branch["target"] for branch in model["branch"]):
        if target == "age":
            targets[target] = generator.normal(0, 2, (steps, batch)).astype(np.float32)
        else:
            classes = classes_of(model) if target == "class" else 2
            targets[target] = generator.integers(0, classes, (steps, batch)).astype(np.float32)
    return inputs, targets


def optimizer_of(model, parameters):
    given = dict(model["optimizer"])
    op, rate = given.pop("op"), given.pop("learning_rate")
    if op == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=given.get("momentum", 0.0))
    betas = given.get("beta1", 0.9), given.get("beta2", 0.999)
    common = {"lr": rate, "betas": betas, "eps": given.get("epsilon", 1e-8)}
    # Decoupled, which without decay is Adam.
    return torch.optim.AdamW(parameters, weight_decay=given.get("weight_decay", 0.0), **common)


def train(model, inputs, targets, seed, dtype=torch.float64):
    """Initial and final parameters, and each batch's loss before its update."""
    network = Network(model, np.random.default_rng(seed))
    as_input = lambda step: torch.tensor(inputs[step]) if "length" in model["input"] else torch.tensor(inputs[step]).to(dtype)
    network.outputs(as_input(0) if "length" in model["input"] else torch.tensor(inputs[0]))
    for name, value in network.parameters.items():
        network.parameters[name] = value.detach().to(dtype).requires_grad_()
    initial = {name: value.detach().double().numpy().copy() for name, value in network.parameters.items()}
    optimizer, losses = optimizer_of(model, network.parameters.values()), []
    for step in range(len(inputs)):
        optimizer.zero_grad()
        loss = network.loss(as_input(step), {name: torch.tensor(of[step]) for name, of in targets.items()})
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    final = {name: value.detach().double().numpy() for name, value in network.parameters.items()}
    return initial, final, losses


def value_as_toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {value_as_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


def as_toml(model):
    def table(items):
        return "".join(f"{key} = {value_as_toml(value)}\n" for key, value in items.items() if key != "layer")

    text = f"name = {json.dumps(model['name'])}\n"
    for key in ("input", "optimizer", "training"):
        text += f"\n[{key}]\n{table(model[key])}"
    layers = lambda kind, of: "".join(f"\n[[{kind}]]\n{table(layer)}" for layer in of.get("layer", []))
    text += layers("layer", model)
    return text + "".join(f"\n[[branch]]\n{table(of)}{layers('branch.layer', of)}" for of in model["branch"])


def distance(final, initial):
    return math.sqrt(sum(float(((final[name] - initial[name]) ** 2).sum()) for name in final))


def write(model, folder, steps, seed, most=math.inf):
    """Writes a case, unless float32 itself would stray further than `most`; says how far it strays."""
    batch = model["training"]["batch"]
    inputs, targets = draw(model, steps, batch, np.random.default_rng(seed + 1))
    initial, final, losses = train(model, inputs, targets, seed)
    _, rounded, _ = train(model, inputs, targets, seed, torch.float32)
    stray = distance(rounded, final) / distance(final, initial)
    if not (stray <= most and np.isfinite(losses).all()):
        print(f"{folder.name}: left out; float32 strays {stray:.1e} of the distance")
        return False
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.toml").write_text(as_toml(model))
    tensors = {"loss": np.array(losses), "tokens" if "length" in model["input"] else "input": inputs}
    tensors |= {f"target.{name}": values for name, values in targets.items()}
    tensors |= {f"initial.{name}": values for name, values in initial.items()}
    tensors |= {f"final.{name}": values for name, values in final.items()}
    is_words = lambda values: values.dtype == np.int32
    tensors = {name: v if is_words(v) else v.astype(np.float32) for name, v in tensors.items()}
    note = {"steps": steps, "batch": batch, "optimizer": model["optimizer"]["op"]}
    note["source"] = f"PyTorch {torch.__version__}, float64"
    contiguous = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    save_file(contiguous, folder / "trajectory.safetensors", {"case": json.dumps(note)})
    size = sum(values.nbytes for values in contiguous.values())
    parameters = sum(values.size for values in final.values())
    print(f"{folder.name}: batch {batch}, {parameters} parameters, {size / 1e3:.0f} kB, float32 {stray:.1e}")
    return True


def without_randomness(model):
    """The model without dropout and augmentation."""
    gone = [layer for of in (model, *model["branch"]) for layer in of.get("layer", []) if layer["op"] == "dropout"]
    for of in (model, *model["branch"]):
        of["layer"] = [layer for layer in of.get("layer", []) if layer not in gone]
    model["training"].pop("schedule", None)
    if model["optimizer"]["op"] == "adam":
        model["optimizer"]["epsilon"] = max(model["optimizer"].get("epsilon", 0.0), LEAST_EPSILON)
    return {key: value for key, value in model.items() if key not in ("augment", "data")}


class Draw:
    """Draws models of all kinds."""

    def __init__(self, seed):
        self.random, self.count = random.Random(seed), 0

    def layer(self, op, **attributes):
        self.count += 1
        return {"name": f"{op.replace('_', '')}{self.count}", "op": op, **attributes}

    def images(self, extents, channels, layers):
        """Convolutions, activations and pools for as long as there is room."""
        pick, made = self.random.choice, []
        for _ in range(layers):
            kernel = pick([1, 2, 3, 3, 5, [2, 3], [3, 1]])
            stride, padding = pick([1, 1, 1, 2, [1, 2]]), pick(["same", "valid", 0, 1, [1, 0]])
            kernel_of, stride_of = pair(kernel), pair(stride)
            padded = [0, 0] if padding in ("valid", "same") else pair(padding)
            after = [
                -(-e // s) if padding == "same" else (e + 2 * p - k) // s + 1
                for e, k, s, p in zip(extents, kernel_of, stride_of, padded)
            ]
            if min(after) < 1 or any(k > e + 2 * p for e, k, p in zip(extents, kernel_of, padded)):
                continue
            extents = after
            made.append(self.layer("conv2d", out_channels=channels, kernel=kernel, stride=stride, padding=padding))
            yield_pool = pick(["max_pool2d", "max_pool2d", "avg_pool2d", None])
            made.append(self.layer(pick(["relu", "relu", "relu", "sigmoid"])))
            if yield_pool and min(extents) >= 4:
                kernel, stride = pick([(2, None), (2, None), (3, 2), (2, 1), ([2, 3], None)])
                given = {"kernel": kernel} | ({"stride": stride} if stride else {})
                made.append(self.layer(yield_pool, **given))
                extents = [(e - k) // s + 1 for e, k, s in zip(extents, pair(kernel), pair(stride or kernel))]
        return made, extents

    def head(self, outputs, hidden):
        made = [self.layer("flatten")]
        for features in hidden:
            made += [self.layer("dense", out_features=features), self.layer("relu")]
        return made + [self.layer("dense", out_features=outputs)]

    def branches(self, make):
        """Age, gender or both; branches of the same names and layers may run side by side."""
        pick, made = self.random.choice, []
        alike = pick([True, False])
        count = self.count
        for name in pick([["age", "gender"], ["age", "gender"], ["age"], ["gender"]]):
            state = self.random.getstate()
            loss = {"op": "mse" if name == "age" else "bce_with_logits", "weight": pick([1.0, 5.0, 0.25])}
            if alike:
                self.count = count
                self.random.setstate(state)
            layers = json.loads(json.dumps(made[0]["layer"])) if alike and made else make()
            made.append({"name": name, "target": name, "loss": loss, "layer": layers})
        return made

    def face(self):
        pick = self.random.choice
        extents = [self.random.randint(9, 33), self.random.randint(9, 33)]
        of = {"width": extents[1], "height": extents[0]}
        layers, left = self.images(extents, pick([3, 5, 8, 16, 32]), self.random.randint(1, 2))
        channels, hidden = pick([3, 4, 7, 16, 64]), [pick([3, 5, 9, 32, 64]) for _ in range(pick([0, 1, 1, 2]))]
        make = lambda: self.images(left, channels, pick([0, 1]))[0] + self.head(1, hidden)
        return of, layers, self.branches(make)

    def plus(self):
        pick = self.random.choice
        extents = [self.random.randint(8, 24), self.random.randint(8, 24)]
        of = {"width": extents[1], "height": extents[0]}
        channels = pick([3, 4, 5, 8, 16])
        layers = [self.layer("conv2d", out_channels=channels, kernel=3, stride=pick([1, 2]), padding=pick([1, "same"]))]
        for _ in range(pick([1, 1, 2])):
            layers += [self.layer("batch_norm2d"), self.layer("relu")]
            before = layers[-1]["name"]
            if pick([True, False]):
                layers.append(self.layer(pick(["max_pool2d", "avg_pool2d"]), kernel=2))
                before = layers[-1]["name"]
            layers.append(self.layer("conv2d", out_channels=channels, kernel=pick([1, 3, 5]), padding="same"))
            layers.append(self.layer("batch_norm2d"))
            layers.append(self.layer("add", input=[layers[-1]["name"], before]))
        layers += [self.layer("relu"), self.layer("global_avg_pool2d")]
        return of, layers, self.branches(lambda: self.head(1, [pick([4, 6])] if pick([True, False]) else []))

    def review(self):
        pick = self.random.choice
        length, channels_first = self.random.randint(9, 60), pick([True, True, True, False])
        of = {"length": length, "vocabulary": self.random.randint(12, 400)}
        layers = [self.layer("embedding", width=pick([3, 4, 8, 17, 32]), channels_first=channels_first)]
        if channels_first:
            for _ in range(pick([0, 1, 1, 2])):
                kernel, stride, padding = pick([1, 2, 3, 4]), pick([1, 1, 2]), pick([0, 0, 1, 2])
                length = (length + 2 * padding - kernel) // stride + 1
                given = {"out_channels": pick([4, 9, 32]), "kernel": kernel, "stride": stride, "padding": padding}
                if length < 2:
                    break
                layers += [self.layer("conv1d", **given), self.layer("relu")]
                if length >= 4 and pick([True, True, False]):
                    layers.append(self.layer("max_pool1d", kernel=2))
                    length //= 2
            if pick([True, False]):
                layers.append(self.layer("global_avg_pool1d"))
        classes = pick([1, 1, 2, 3, 5])
        loss = {"op": "bce_with_logits" if classes == 1 else "softmax_cross_entropy", "weight": pick([1.0, 1.0, 2.0])}
        head = self.head(classes, [pick([6, 10])] if pick([True, False]) else [])
        return of, layers, [{"name": "sentiment", "target": "class", "loss": loss, "layer": head}]

    def model(self, kind):
        pick, self.count = self.random.choice, 0
        of, layers, branches = {"face": self.face, "plus": self.plus, "review": self.review}[kind]()
        adam = {"op": "adam", "learning_rate": 0.01, "epsilon": LEAST_EPSILON}
        optimizer = pick(
            [
                adam,
                adam | {"weight_decay": 0.05},
                adam | {"beta1": 0.8, "beta2": 0.95},
                {"op": "sgd", "learning_rate": 0.01, "momentum": 0.9},
                {"op": "sgd", "learning_rate": 0.02},
            ]
        )
        training = {"batch": pick([1, 2, 3, 5, 6, 8, 13, 20, 32]), "epochs": 1}
        return {
            "name": kind,
            "input": of,
            "optimizer": optimizer,
            "training": training,
            "layer": layers,
            "branch": branches,
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("model", help="a case of one model")
    one.add_argument("model", type=Path)
    one.add_argument("out", type=Path)
    one.add_argument("--batch", type=int)
    many = commands.add_parser("random", help="cases of random models of all kinds")
    many.add_argument("out", type=Path)
    many.add_argument("--count", type=int, default=30)
    for command in (one, many):
        command.add_argument("--steps", type=int, default=10)
        command.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.command == "model":
        model = without_randomness(tomllib.loads(arguments.model.read_text()))
        model["training"]["batch"] = arguments.batch or model["training"]["batch"]
        write(model, arguments.out, arguments.steps, arguments.seed)
        return
    drawer, seed, made = Draw(arguments.seed), arguments.seed, 0
    while made < arguments.count:
        kind, seed = ("face", "plus", "review")[made % 3], seed + 2
        model = drawer.model(kind)
        model["name"] = f"{kind}{made}"
        folder = arguments.out / f"{kind}-{made:03}"
        made += write(model, folder, arguments.steps, seed, WELL_CONDITIONED)


if __name__ == "__main__":
    main()
