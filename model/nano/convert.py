"""Writes what `train.py` made as GGUF.

    python3 convert.py base --build build --out chatglm3-nano.gguf
    python3 convert.py style --build build --out chatglm3-nano-friend.gguf

The metadata is what llama.cpp's converter writes for ChatGLM3-6B (conversion/chatglm.py, `set_vocab_chatglm3`), with the
nano model's sizes. Embeddings and outputs are Q4_0, as they were trained; the layers are Q8_0. Ids that never occur share
one row.
"""

import argparse
import os

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type

import model
import render

SPECIALS = ("[MASK]", "[gMASK]", "[sMASK]", "sop", "eop", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>")
#: Tokens of the longest conversations that it was trained on, rounded up: more is not refused by the file, but is not known.
CONTEXT = 2048
TEMPLATE = (
    "{% for message in messages %}{% if loop.first %}[gMASK]sop<|{{ message['role'] }}|>\n {{ message['content'] }}"
    "{% else %}<|{{ message['role'] }}|>\n {{ message['content'] }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def vocabulary(writer, processor):
    """The 64,789 pieces, the specials, padding up to 65,024."""
    tokens, scores, kinds = [], [], []
    for i in range(processor.get_piece_size()):
        kind = gguf.TokenType.NORMAL
        if processor.is_unknown(i):
            kind = gguf.TokenType.UNKNOWN
        elif processor.is_control(i):
            kind = gguf.TokenType.CONTROL
        elif processor.is_unused(i):
            kind = gguf.TokenType.UNUSED
        elif processor.is_byte(i):
            kind = gguf.TokenType.BYTE
        tokens.append({0: "<unk>", 1: "<bos>", 2: "<eos>"}.get(i) or processor.id_to_piece(i))
        scores.append(processor.get_score(i))
        kinds.append(kind)
    for special in SPECIALS:
        tokens.append(special)
        scores.append(0.0)
        kinds.append(gguf.TokenType.CONTROL)
    for i in range(len(tokens), render.VOCABULARY):
        tokens.append(f"[PAD{i}]")
        scores.append(0.0)
        kinds.append(gguf.TokenType.UNUSED)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("chatglm-spm")
    writer.add_token_list([token.encode() for token in tokens])
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def add(writer, name, values, kind=Type.F32):
    """A tensor, quantised."""
    values = values.detach().float().numpy()
    writer.add_tensor(name, values if kind == Type.F32 else gguf.quants.quantize(values, kind), raw_dtype=kind)


def base(arguments):
    saved = torch.load(os.path.join(arguments.build, "base.pt"))
    net, known = saved["net"], saved["known"]
    writer = gguf.GGUFWriter(arguments.out, "chatglm")
    writer.add_name("ChatGLM3-nano")
    writer.add_description("A test model in ChatGLM3's format, trained from scratch on generated conversations")
    writer.add_license("apache-2.0")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(model.WIDTH)
    writer.add_feed_forward_length(model.FEED_FORWARD)
    writer.add_block_count(model.LAYERS)
    writer.add_head_count(model.HEADS)
    writer.add_head_count_kv(model.KV_HEADS)
    writer.add_layer_norm_rms_eps(model.EPSILON)
    writer.add_rope_dimension_count(model.ROTATED)
    writer.add_rope_freq_base(model.ROPE_BASE)
    writer.add_quantization_version(2)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    vocabulary(writer, render.tokenizer(arguments.tokenizer))
    rows = torch.full((render.VOCABULARY,), len(known))
    rows[torch.tensor(known)] = torch.arange(len(known))
    add(writer, "token_embd.weight", net["token_embd"][rows], Type.Q4_0)
    add(writer, "output.weight", net["output"][rows], Type.Q4_0)
    add(writer, "output_norm.weight", net["output_norm"])
    for name, values in net.items():
        if not name.startswith("blk."):
            continue
        # Norms are parameters of the layer itself here, and have their file's ending there.
        name = f"{name}.weight" if name.endswith("_norm") else name
        add(writer, name, values, Type.Q8_0 if values.ndim == 2 else Type.F32)
    finish(writer, arguments.out)


def style(arguments):
    saved = torch.load(os.path.join(arguments.build, "style.pt"))
    writer = gguf.GGUFWriter(arguments.out, "chatglm")
    writer.add_type("adapter")
    writer.add_name("ChatGLM3-nano, a friend's manner")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(saved["alpha"]))
    for name, values in saved["adapters"].items():
        part, side = name.rsplit(".", 1)
        values = values.detach().numpy().astype(np.float16)
        writer.add_tensor(f"{part}.weight.lora_{side}", values, raw_dtype=Type.F16)
    finish(writer, arguments.out)


def finish(writer, path):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print(f"{path}: {os.path.getsize(path):,} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("base", "style"))
    parser.add_argument("--build", required=True, help="the folder that train.py wrote to")
    parser.add_argument("--out", required=True, help="the GGUF file")
    parser.add_argument("--tokenizer", help="ChatGLM3's tokenizer.model")
    arguments = parser.parse_args()
    (base if arguments.what == "base" else style)(arguments)


if __name__ == "__main__":
    main()
