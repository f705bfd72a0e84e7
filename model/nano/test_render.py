"""The renderer against ChatGLM3's own tokens: `python3 -m unittest test_render`, in this folder."""

import json
import os
import unittest

import data
import render
import score
import toolbox

VECTORS = os.path.join(os.path.dirname(__file__), "..", "tests", "fixtures", "chatglm3", "token_vectors.json")


class Rendering(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.renderer = render.Renderer(render.tokenizer(os.environ.get("CHATGLM3_TOKENIZER")))

    def test_prompts_have_the_published_tokens(self):
        with open(VECTORS, encoding="utf-8") as file:
            cases = json.load(file)["cases"]
        for case in cases:
            ids = [render.GMASK, render.SOP]
            for message in case["messages"]:
                ids += self.renderer.message(message["role"], message["metadata"], message["content"])
            self.assertEqual([*ids, render.ASSISTANT], case["ids"], case["name"])

    def test_only_what_the_model_writes_is_learnt(self):
        entries = [
            {"role": "user", "content": "1"},
            {"role": "tool", "name": "f", "parameters": {"a": "b"}, "observation": "2"},
            {"role": "assistant", "content": "3"},
        ]
        ids, flags = self.renderer.render({"tools": [toolbox.TRACK], "conversations": entries})
        learnt = [i for i, flag in zip(ids, flags, strict=True) if flag]
        text = self.renderer.processor.decode([i for i in learnt if i < 64789])
        self.assertEqual(text.split(), ["f", "```python", "tool_call(a='b')", "```", "3"])
        # The role after a call is learnt, and the end; the role that opens a reply is not.
        self.assertEqual([i for i in learnt if i >= 64789 or i == render.EOS], [render.OBSERVATION, render.EOS])

    def test_a_reply_that_is_not_learnt_has_no_targets(self):
        entries = [{"role": "user", "content": "1"}, {"role": "assistant", "content": "2", "loss": False}]
        self.assertFalse(any(self.renderer.render({"conversations": entries})[1]))


class Data(unittest.TestCase):
    def test_the_same_seed_gives_the_same_conversations(self):
        one, two = ([data.Writer("train", 7).sample() for _ in range(1)] for _ in range(2))
        self.assertEqual(one, two)

    def test_names_and_values_of_the_held_out_split_are_not_in_the_training_split(self):
        def strings(split):
            writer = data.Writer(split, 1)
            names = set()
            for _ in range(800):
                for entry in writer.sample()["conversations"]:
                    if entry["role"] == "tool":
                        names |= {entry["name"], *entry["parameters"]}
                        names |= {value for value in entry["parameters"].values() if str(value).isdigit()}
            return names

        self.assertEqual(strings("train") & strings("test"), set())

    def test_a_reply_as_the_model_writes_it_is_read(self):
        words, calls, programs = score.parse(
            "\n 好的<|assistant|>track\n ```python\ntool_call(symbol='1', n=[1, 2])\n```"
        )
        self.assertEqual((words, calls, programs), ("好的", [("track", {"symbol": "1", "n": [1, 2]})], []))


if __name__ == "__main__":
    unittest.main()
