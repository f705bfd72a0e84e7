"""Trains the nano model on the CPU (two cores, under an hour) or a GPU, and its LoRA adapter.

    python3 train.py base --out build     # build/base.pt; goes on from build/base.*.state.pt after an interruption
    python3 train.py style --out build    # build/style.pt, from build/base.pt

Seeded. What is learnt first is to copy: sequences of random ids that repeat. Then the conversations of `data.py`.
"""

import argparse
import os
import random
import time

import torch
import torch.multiprocessing
import torch.nn.functional as F
from torch import distributed, nn

import model
import render
from data import Writer

SEED = 1
#: Positions of a row, which holds several conversations that do not see each other. The rows of a step are of one length.
LENGTHS = tuple(range(128, 641, 64))
#: Tokens of a process in a step.
TOKENS = 3072
#: Conversations written for training, and steps: copying alone, all.
CONVERSATIONS, COPYING, STEPS = 60_000, 200, 6000
#: From this share of the steps on, embeddings and outputs are rounded as the file has them.
ROUNDED_FROM = 0.6
#: Rates of the optimisers.
ADAM, MUON = 5e-3, 0.02
RANK, ALPHA = 8, 16
MATRICES = ("attn_qkv", "attn_output", "ffn_up", "ffn_down")


def packed(samples, length):
    """Rows of conversations: ids, learnt flags, and the number of the conversation each position belongs to."""
    rows, open_rows = [], []
    for ids, flags in samples:
        row = next((row for row in open_rows if len(row[0]) + len(ids) <= length), None)
        if row is None:
            row = ([], [], [])
            open_rows.append(row)
            rows.append(row)
            if len(open_rows) > 64:
                # The fullest is left as it is.
                open_rows.remove(max(open_rows, key=lambda row: len(row[0])))
        number = row[2][-1] + 1 if row[2] else 1
        row[0].extend(ids)
        row[1].extend(flags)
        row[2].extend([number] * len(ids))
    return rows


def batches(samples, seed):
    """Steps of rows of one length, in any order. Conversations longer than the longest row are left out."""
    found, shortest = [], 0
    for length in LENGTHS:
        fitting = [sample for sample in samples if shortest < len(sample[0]) <= length]
        shortest = length
        rows, count = packed(fitting, length), TOKENS // length
        found += [(length, rows[at : at + count]) for at in range(0, len(rows) - count + 1, count)]
    random.Random(seed).shuffle(found)
    return found


def tensors(length, rows, index, learnt_else, generator, device):
    """A step's tensors: compact ids, targets, their weights, the mask."""
    ids = torch.full((len(rows), length), len(index))
    learnt = torch.zeros(len(rows), length)
    number = torch.zeros(len(rows), length, dtype=torch.long)
    for at, (row, flags, numbers) in enumerate(rows):
        ids[at, : len(row)] = torch.tensor([index.get(i, len(index)) for i in row])
        learnt[at, : len(row)] = torch.tensor(flags, dtype=torch.float)
        number[at, : len(row)] = torch.tensor(numbers)
    # The target of a position is the id after it, in the same conversation.
    same = (number[:, 1:] == number[:, :-1]) & (number[:, 1:] > 0)
    some = torch.rand(same.shape, generator=generator) < 0.1
    weights = torch.where(learnt[:, 1:] > 0, 1.0, torch.where(some, learnt_else, 0.0)) * same
    weights = F.pad(weights, (0, 1))
    targets = F.pad(ids[:, 1:], (0, 1))
    sees = (number[:, :, None] == number[:, None, :]).tril()
    mask = torch.zeros(sees.shape, dtype=torch.bfloat16).masked_fill(~sees, float("-inf"))
    return [part.to(device) for part in (ids, targets, weights, mask[:, None])]


def copying(ids, draw):
    """Rows of random ids in which stretches come again; what comes again is learnt."""
    rows, length = [], LENGTHS[2]
    for _ in range(TOKENS // length):
        row = ([], [], [])
        number = 0
        while len(row[0]) < length - 40:
            number += 1
            few = draw.sample(ids, draw.choice((6, 40, 200)))
            stretch = [draw.choice(few) for _ in range(draw.randint(24, 90))]
            flags = [False] * len(stretch)
            for _ in range(draw.randint(2, 6)):
                start = draw.randrange(len(stretch) - 8)
                again = stretch[start : start + draw.randint(5, 20)]
                stretch += again
                # The first ids of what comes again cannot be known.
                flags += [False, False] + [True] * (len(again) - 2)
            room = length - len(row[0])
            stretch, flags = stretch[:room], flags[:room]
            row[0].extend(stretch)
            row[1].extend(flags)
            row[2].extend([number] * len(stretch))
        rows.append(row)
    return length, rows


class Muon:
    """Momentum whose step has all its singular values made alike, for matrices. `groups` are matrices of one shape."""

    def __init__(self, groups):
        self.groups = groups
        self.momenta = [torch.zeros(len(group), *group[0].shape, device=group[0].device) for group in groups]

    @torch.no_grad()
    def step(self, full, rank, world):
        """Each process steps its share of the groups and hands them to the others."""
        for at, (group, momentum) in enumerate(zip(self.groups, self.momenta, strict=True)):
            if at % world == rank:
                gradient = torch.stack([weight.grad for weight in group])
                momentum.lerp_(gradient, 0.05)
                update = orthogonal(gradient.lerp_(momentum, 0.95))
                rows, columns = group[0].shape
                for weight, change in zip(group, update, strict=True):
                    weight.add_(change, alpha=-full * max(1, rows / columns) ** 0.5)
        if world > 1:
            for at, group in enumerate(self.groups):
                whole = torch.cat([weight.flatten() for weight in group])
                distributed.broadcast(whole, at % world)
                if at % world != rank:
                    for weight, part in zip(group, whole.chunk(len(group)), strict=True):
                        weight.copy_(part.view_as(weight))


def orthogonal(matrices):
    """Newton-Schulz iterations of the fifth order."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = (matrices.mT if tall else matrices).bfloat16()
    x = x / (x.float().norm(dim=(1, 2), keepdim=True) + 1e-7).bfloat16()
    for _ in range(5):
        square = x @ x.mT
        square = torch.baddbmm(square, square, square, beta=-4.7750, alpha=2.0315)
        x = torch.baddbmm(x, square, x, beta=3.4445)
    return (x.mT if tall else x).float()


def shared(parameters, world):
    """The mean of the processes' gradients."""
    if world == 1:
        return
    whole = torch.cat([p.grad.flatten() for p in parameters])
    distributed.all_reduce(whole)
    whole /= world
    for p, part in zip(parameters, whole.split([p.numel() for p in parameters]), strict=True):
        p.grad.copy_(part.view_as(p))


def rate(step, steps):
    """Warm-up, then full, then down to nothing."""
    return min(1, (step + 1) / 15, (steps - step) / (0.6 * steps))


def loss_of(body, net, batch, rounded, bias, turns):
    """The mean loss, and that of what is learnt in earnest alone."""
    ids, targets, weights, mask = batch
    embedding, output = net.token_embd, net.output
    if rounded:
        embedding, output = model.Quantise.apply(embedding), model.Quantise.apply(output)
    hidden = body(F.embedding(ids, embedding).bfloat16(), *turns[ids.shape[1]], mask).flatten(0, 1)
    chosen = weights.flatten().nonzero()[:, 0]
    logits = F.linear(hidden[chosen], output.bfloat16()).float() + bias
    weights = weights.flatten()[chosen]
    each = F.cross_entropy(logits, targets.flatten()[chosen], reduction="none")
    return (each * weights).sum() / weights.sum(), (each.detach() * (weights == 1)).sum() / (weights == 1).sum()


def train_base(rank, arguments):
    """One of the processes that train the model: each has its own conversations, and the mean of the gradients is taken."""
    world = arguments.processes
    torch.set_num_threads(arguments.threads)
    if world > 1:
        distributed.init_process_group(
            "gloo", init_method=f"file://{os.path.abspath(arguments.out)}/meeting", rank=rank, world_size=world
        )
    renderer = render.Renderer(render.tokenizer(arguments.tokenizer))
    writer = Writer("train", SEED)
    samples = [renderer.render(writer.sample()) for _ in range(arguments.conversations)]
    # All byte tokens too: they are what unknown letters are written with.
    known = sorted({i for ids, _ in samples for i in ids} | set(range(3, 259)))
    index = {i: at for at, i in enumerate(known)}
    conversations = batches(samples, SEED)
    torch.manual_seed(SEED)
    net = model.Nano(len(known) + 1).to(arguments.device)
    groups = [[getattr(layer, name).weight for layer in net.blk] for name in MATRICES]
    inside = {id(weight) for group in groups for weight in group}
    muon = Muon(groups)
    adam = torch.optim.AdamW(
        [p for p in net.parameters() if id(p) not in inside], lr=ADAM, betas=(0.9, 0.97), weight_decay=0
    )
    state_path = os.path.join(arguments.out, f"base.{rank}.state.pt")
    first = 0
    if os.path.exists(state_path):
        state = torch.load(state_path, map_location=arguments.device)
        net.load_state_dict(state["net"])
        adam.load_state_dict(state["adam"])
        muon.momenta = state["momenta"]
        first = state["step"]
    bias = model.shared_bias(len(known) + 1, render.VOCABULARY - len(known)).to(arguments.device)
    turns = {length: [part.to(arguments.device) for part in model.rotation(length)] for length in LENGTHS}
    body = torch.compile(net.body, dynamic=False) if arguments.compile else net.body
    torch._dynamo.config.cache_size_limit = 32
    said = "{} conversations, {} steps, {} ids of {}, {} parameters in layers"
    layers = sum(p.numel() for p in net.blk.parameters())
    if rank == 0:
        print(said.format(len(samples), len(conversations) // world, len(known), render.VOCABULARY, layers), flush=True)
    began, spent, seen, average = time.time(), time.process_time(), 0, None
    steps = arguments.steps
    parameters = list(net.parameters())
    for step in range(first, steps):
        draw, generator = random.Random(step * world + rank), torch.Generator().manual_seed(step * world + rank)
        if step < COPYING:
            length, chosen = copying(known, draw)
        else:
            length, chosen = conversations[((step - COPYING) * world + rank) % len(conversations)]
        batch = tensors(length, chosen, index, 0.0 if step < COPYING else 0.3, generator, arguments.device)
        loss, shown = loss_of(
            body, net, batch, step >= ROUNDED_FROM * steps, bias * min(1, max(0, step - COPYING) / 100), turns
        )
        loss.backward()
        shared(parameters, world)
        adam.param_groups[0]["lr"] = ADAM * rate(step, steps)
        adam.step()
        muon.step(MUON * rate(step, steps), rank, world)
        net.zero_grad(set_to_none=False)
        average = shown.item() if average is None or step == COPYING else 0.9 * average + 0.1 * shown.item()
        seen += batch[0].numel() * world
        if rank == 0 and (step % 10 == 9 or step < first + 5):
            took, cpu = time.time() - began, time.process_time() - spent
            print(
                f"step {step + 1} loss {average:.3f} {seen / took:.0f} tokens/s, {took:.0f} s, CPU {cpu:.0f} s",
                flush=True,
            )
        if step % 50 == 49 or step + 1 == steps:
            state = {"net": net.state_dict(), "adam": adam.state_dict(), "momenta": muon.momenta, "step": step + 1}
            torch.save(state, state_path + ".new")
            os.replace(state_path + ".new", state_path)
    if rank == 0:
        torch.save({"net": net.cpu().state_dict(), "known": known}, os.path.join(arguments.out, "base.pt"))


class Adapted(nn.Module):
    """A matrix with an addition of low rank."""

    def __init__(self, linear):
        super().__init__()
        self.linear = linear
        self.a = nn.Parameter(torch.randn(RANK, linear.in_features) * linear.in_features**-0.5)
        self.b = nn.Parameter(torch.zeros(linear.out_features, RANK))

    def forward(self, x):
        return self.linear(x) + F.linear(F.linear(x, self.a.to(x.dtype)), self.b.to(x.dtype)) * (ALPHA / RANK)


def train_style(arguments):
    """Trains the adapter: additions of low rank to the layers' matrices, all else as it is."""
    renderer = render.Renderer(render.tokenizer(arguments.tokenizer))
    writer = Writer("style", SEED)
    conversations = batches([renderer.render(writer.styled()) for _ in range(arguments.conversations)], SEED)
    torch.manual_seed(SEED)
    saved = torch.load(os.path.join(arguments.out, "base.pt"), map_location=arguments.device)
    known = saved["known"]
    index = {i: at for at, i in enumerate(known)}
    net = model.Nano(len(known) + 1)
    net.load_state_dict(saved["net"])
    for p in net.parameters():
        p.requires_grad_(False)
    for layer in net.blk:
        for name in MATRICES:
            setattr(layer, name, Adapted(getattr(layer, name)))
    net.to(arguments.device)
    adapters = {name: p for name, p in net.named_parameters() if p.requires_grad}
    optimiser = torch.optim.AdamW(adapters.values(), lr=4e-3, betas=(0.9, 0.97), weight_decay=0)
    bias = model.shared_bias(len(known) + 1, render.VOCABULARY - len(known)).to(arguments.device)
    turns = {length: [part.to(arguments.device) for part in model.rotation(length)] for length in LENGTHS}
    body = torch.compile(net.body, dynamic=False) if arguments.compile else net.body
    began = time.time()
    for step in range(arguments.steps):
        length, chosen = conversations[step % len(conversations)]
        batch = tensors(length, chosen, index, 0.0, torch.Generator().manual_seed(step), arguments.device)
        loss, _ = loss_of(body, net, batch, True, bias, turns)
        loss.backward()
        optimiser.param_groups[0]["lr"] = 4e-3 * rate(step, arguments.steps)
        optimiser.step()
        optimiser.zero_grad()
        if step % 10 == 9:
            print(f"step {step + 1} loss {loss.item():.3f} {time.time() - began:.0f} s", flush=True)
    torch.save(
        {"adapters": {name: p.detach().cpu() for name, p in adapters.items()}, "alpha": ALPHA},
        os.path.join(arguments.out, "style.pt"),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("base", "style"))
    parser.add_argument("--out", required=True, help="the folder for what is trained")
    parser.add_argument("--tokenizer", help="ChatGLM3's tokenizer.model")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--conversations", type=int)
    parser.add_argument("--processes", type=int, default=2, help="processes that train the model, one core each")
    parser.add_argument("--threads", type=int, default=1, help="threads of a process")
    parser.add_argument("--no-compile", dest="compile", action="store_false", help="where there is no C++ compiler")
    arguments = parser.parse_args()
    base = arguments.what == "base"
    arguments.steps = arguments.steps or (STEPS if base else 400)
    arguments.conversations = arguments.conversations or (CONVERSATIONS if base else 4000)
    arguments.device = "cuda" if torch.cuda.is_available() else "cpu"
    if arguments.device == "cuda":
        arguments.processes = 1
    os.makedirs(arguments.out, exist_ok=True)
    if not base:
        torch.set_num_threads(arguments.processes * arguments.threads)
        train_style(arguments)
    elif arguments.processes == 1:
        train_base(0, arguments)
    else:
        meeting = os.path.join(arguments.out, "meeting")
        if os.path.exists(meeting):
            os.remove(meeting)
        torch.multiprocessing.spawn(train_base, (arguments,), nprocs=arguments.processes)


if __name__ == "__main__":
    main()
