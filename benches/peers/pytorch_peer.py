"""Samples a second of the face and the review network in PyTorch, photos with channels last, on the CPU or on CUDA.

    python3 -m venv venv
    venv/bin/pip install torch numpy
    venv/bin/python benches/peers/pytorch_peer.py --model face --steps 5
    venv/bin/python benches/peers/pytorch_peer.py --model face --steps 200 --device cuda

A step uploads and converts the photos from bytes to float32, and ends when its loss is known. All arithmetic is float32, without TF32.
"""

import torch
from torch import nn
from torch.nn import functional as F

import common


class Branch(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(32, 64, 3)
        self.dense1 = nn.Linear(12544, 512)
        self.dense2 = nn.Linear(512, 1)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv(x)), 2).flatten(1)
        x = F.dropout(x, 0.5, self.training)
        return self.dense2(F.relu(self.dense1(x)))[:, 0]


class Face(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3)
        self.conv2 = nn.Conv2d(32, 32, 3)
        self.age = Branch()
        self.gender = Branch()

    def forward(self, x):
        x = x.permute(0, 3, 1, 2).float() / 255
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.dropout(x, 0.25, self.training)
        return self.age(x), self.gender(x)

    def loss(self, x, age, gender):
        ages, logits = self(x)
        return F.mse_loss(ages, age) + 500 * F.binary_cross_entropy_with_logits(logits, gender)


class Review(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(common.VOCABULARY, 120)
        self.conv = nn.Conv1d(120, 32, 8)
        self.dense1 = nn.Linear(8672, 10)
        self.dense2 = nn.Linear(10, 1)

    def forward(self, x):
        x = self.embedding(x).transpose(1, 2)
        x = F.max_pool1d(F.relu(self.conv(x)), 2).flatten(1)
        return self.dense2(F.relu(self.dense1(x)))[:, 0]

    def loss(self, x, sentiment):
        return F.binary_cross_entropy_with_logits(self(x), sentiment)


def build(name, device):
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    torch.set_num_threads(common.THREADS)
    torch.manual_seed(0)
    model = Face().to(memory_format=torch.channels_last) if name == "face" else Review()
    model.to(device)
    optimizer = torch.optim.Adam(model.parameters(), 0.001)

    def upload(array):
        return torch.from_numpy(array).to(device)

    def train(x, y):
        model.train()
        optimizer.zero_grad()
        loss = model.loss(upload(x), *map(upload, y))
        loss.backward()
        optimizer.step()
        return loss.item()

    def predict(x):
        model.eval()
        with torch.inference_mode():
            answers = model(upload(x))
            return [answer.cpu() for answer in (answers if name == "face" else [answers])]

    return sum(p.numel() for p in model.parameters()), train, predict


if __name__ == "__main__":
    common.run("PyTorch", torch.__version__.split("+")[0], build, ("cpu", "cuda"))
