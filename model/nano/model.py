"""ChatGLM's architecture in PyTorch, as llama.cpp's `chatglm` computes it.

RMSNorm before attention and feed-forward, multi-query attention with biases on queries, keys and values, rotation of the
first half of each head in neighbouring pairs, SwiGLU with gate and value in one matrix, an output that is not tied.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

LAYERS, WIDTH, HEADS, HEAD_WIDTH, FEED_FORWARD = 6, 192, 3, 64, 512
#: One head of keys and values: multi-query attention.
KV_HEADS = 1
EPSILON, ROPE_BASE = 1e-5, 10_000.0
ROTATED = HEAD_WIDTH // 2


def rotation(length):
    """Cosines and sines for positions from 0."""
    frequencies = 1 / ROPE_BASE ** (torch.arange(0, ROTATED, 2) / ROTATED)
    angles = torch.outer(torch.arange(length), frequencies)[None, :, None, :]
    return angles.cos(), angles.sin()


def rotate(heads, cos, sin):
    """Rotates the first half of each head; `heads` is batch, position, head, width."""
    pairs = heads[..., :ROTATED].unflatten(-1, (-1, 2))
    a, b = pairs[..., 0], pairs[..., 1]
    turned = torch.stack((a * cos - b * sin, b * cos + a * sin), -1).flatten(-2)
    return torch.cat((turned.to(heads.dtype), heads[..., ROTATED:]), -1)


def norm(x, weight):
    """RMSNorm, in the type of `x`."""
    return F.rms_norm(x.float(), (WIDTH,), weight, EPSILON).to(x.dtype)


class Linear(nn.Linear):
    """A product in the type of its input; the weights themselves stay in 32 bits."""

    def forward(self, x):
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.linear(x, self.weight.to(x.dtype), bias)


class Layer(nn.Module):
    """One block."""

    def __init__(self):
        super().__init__()
        self.attn_norm = nn.Parameter(torch.ones(WIDTH))
        self.ffn_norm = nn.Parameter(torch.ones(WIDTH))
        self.attn_qkv = Linear(WIDTH, (HEADS + 2 * KV_HEADS) * HEAD_WIDTH)
        self.attn_output = Linear(WIDTH, WIDTH, bias=False)
        self.ffn_up = Linear(WIDTH, 2 * FEED_FORWARD, bias=False)
        self.ffn_down = Linear(FEED_FORWARD, WIDTH, bias=False)
        nn.init.zeros_(self.attn_output.weight)
        nn.init.zeros_(self.ffn_down.weight)

    def forward(self, x, cos, sin, mask):
        length = x.shape[1]
        mixed = self.attn_qkv(norm(x, self.attn_norm)).unflatten(-1, (HEADS + 2, HEAD_WIDTH))
        turned = rotate(mixed[:, :, : HEADS + 1], cos, sin)
        # The heads share keys and values, so all their queries are rows of one product.
        query = turned[:, :, :HEADS].transpose(1, 2).flatten(1, 2)
        scores = query @ turned[:, :, HEADS].transpose(1, 2)
        scores = scores.unflatten(1, (HEADS, length)) * HEAD_WIDTH**-0.5 + mask
        weights = scores.softmax(-1).flatten(1, 2)
        heads = (weights @ mixed[:, :, HEADS + 1]).unflatten(1, (HEADS, length))
        x = x + self.attn_output(heads.transpose(1, 2).flatten(2))
        gate, value = self.ffn_up(norm(x, self.ffn_norm)).chunk(2, -1)
        return x + self.ffn_down(F.silu(gate) * value)


def look_back(layer):
    """Biases by which the heads of a layer begin by looking at the ids one, two and three places back.

    A key's pairs all point the same way; a query's are turned back by as many places. Copying needs such heads, and finding
    them takes long.
    """
    frequencies = 1 / ROPE_BASE ** (torch.arange(0, ROTATED, 2) / ROTATED)
    bias = torch.zeros(HEADS + 2, HEAD_WIDTH)
    for head in range(HEADS):
        angles = frequencies * -(head + 1)
        bias[head, :ROTATED] = torch.stack((angles.cos(), angles.sin()), -1).flatten() * 7
    bias[HEADS, :ROTATED:2] = 7
    layer.attn_qkv.bias.data.copy_(bias.flatten())
    nn.init.orthogonal_(layer.attn_output.weight, 0.5)


class Nano(nn.Module):
    """The layers and the rows of the ids that occur. The last row stands for all the others."""

    def __init__(self, rows):
        super().__init__()
        self.token_embd = nn.Parameter(torch.randn(rows, WIDTH) * 0.3)
        # Not tied, but alike at first: then one product of value and output matrices copies every id.
        self.output = nn.Parameter(self.token_embd.detach() * 0.1)
        self.output_norm = nn.Parameter(torch.ones(WIDTH))
        self.blk = nn.ModuleList(Layer() for _ in range(LAYERS))
        look_back(self.blk[0])

    def body(self, x, cos, sin, mask):
        """From embeddings to what the output is a product with."""
        for layer in self.blk:
            x = layer(x, cos, sin, mask)
        return norm(x, self.output_norm)


class Quantise(torch.autograd.Function):
    """llama.cpp's Q4_0 there and back; gradients pass as if it were not there."""

    @staticmethod
    def forward(ctx, weights):
        blocks = weights.view(-1, 32)
        largest = blocks.gather(1, blocks.abs().argmax(1, keepdim=True))
        scale = largest / -8
        inverse = torch.where(scale == 0, 0, 1 / scale)
        steps = (blocks * inverse + 8.5).trunc().clamp(0, 15) - 8
        return (steps * scale.half().float()).view_as(weights)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def shared_bias(rows, others):
    """What the row that stands for `others` ids adds to the softmax."""
    bias = torch.zeros(rows)
    bias[-1] = math.log(others)
    return bias
