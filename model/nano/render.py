"""Samples to tokens and targets, as ChatGLM3 was trained: the prompt's exact form and its loss mask.

A sample is `{"tools": […], "conversations": […]}`. Roles: `system`, `user`, `assistant` (with `metadata`, `interpreter` for
a program), `observation`, and `tool` for a call and its answer (`name`, `parameters`, `observation`). `"loss": false` keeps a
reply out of the loss. A system entry beside tools stands behind the text on the tools, as Glassbox prompts the model.
"""

import json
import os

import sentencepiece

EOS, GMASK, SOP, SYSTEM, USER, ASSISTANT, OBSERVATION = 2, 64790, 64792, 64794, 64795, 64796, 64797
ROLES = {"system": SYSTEM, "user": USER, "assistant": ASSISTANT, "observation": OBSERVATION}
#: Rows of the embedding, padding included.
VOCABULARY = 65024
INTRO = "Answer the following questions as best as you can. You have access to the following tools:"


def tokenizer(path=None):
    """ChatGLM3's SentencePiece model: of the file given, or the one that `glassbox models pull chatglm3-tokenizer` fetched."""
    if path is None:
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        path = os.path.join(cache, "glassbox", "assets", "chatglm3-tokenizer")
    if not os.path.exists(path):
        raise SystemExit(
            f"error: there is no {path}\nhint: `glassbox models pull chatglm3-tokenizer`, or name the file"
        )
    return sentencepiece.SentencePieceProcessor(model_file=path)


def call_text(parameters, quote="'"):
    """The content of a call's message: arguments as Python's `repr` writes them, or plain texts in double quotes."""

    def literal(value):
        return f'"{value}"' if quote == '"' and isinstance(value, str) and not set(value) & set('"\\') else repr(value)

    arguments = ", ".join(f"{name}={literal(value)}" for name, value in parameters.items())
    return f"```python\ntool_call({arguments})\n```"


def system_text(tools, own):
    """The system message's content, `None` where there is none."""
    if not tools:
        return own
    text = f"{INTRO}\n{json.dumps(tools, indent=4, ensure_ascii=False)}"
    return f"{text}\n\n{own}" if own else text


def observation_text(observation):
    """Text as it is, anything else as JSON."""
    return observation if isinstance(observation, str) else json.dumps(observation, ensure_ascii=False)


def messages(sample):
    """The messages of a sample: role, metadata, content, whether it is learnt."""
    entries = list(sample["conversations"])
    own = entries.pop(0)["content"] if entries and entries[0]["role"] == "system" else None
    system = system_text(sample.get("tools"), own)
    found = [] if system is None else [("system", "", system, False)]
    for entry in entries:
        role, learnt = entry["role"], entry.get("loss", True)
        if role == "tool":
            found.append(("assistant", entry["name"], call_text(entry["parameters"]), learnt))
            if "observation" in entry:
                found.append(("observation", "", observation_text(entry["observation"]), False))
        else:
            learnt = learnt and role == "assistant"
            found.append((role, entry.get("metadata", ""), entry["content"], learnt))
    return found


class Renderer:
    """Renders with a tokenizer; texts that come again are not encoded again."""

    def __init__(self, processor):
        self.processor, self.known = processor, {}

    def encode(self, text):
        """The ids of a text. Specials never come from text."""
        ids = self.known.get(text)
        if ids is None:
            ids = self.processor.encode(text)
            if len(text) < 64:
                self.known[text] = ids
        return ids

    def message(self, role, metadata, content):
        """The ids of one message. Header and content are encoded apart: each gets its own leading space."""
        return [ROLES[role], *self.encode(metadata + "\n"), *self.encode(content)]

    def prompt(self, sample):
        """The ids after which the model writes."""
        ids = [GMASK, SOP]
        for role, metadata, content, _ in messages(sample):
            ids += self.message(role, metadata, content)
        return [*ids, ASSISTANT]

    def render(self, sample):
        """The ids of a sample and, for each, whether it is learnt. A token's flag says whether the token *after* it is."""
        ids, flags = [GMASK, SOP], [False, False]
        for role, metadata, content, learnt in messages(sample):
            added = self.message(role, metadata, content)
            ids += added
            flags += [learnt] * len(added)
        return [*ids, EOS], [False, *flags]
