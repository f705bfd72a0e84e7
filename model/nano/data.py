"""Writes conversations for the nano model, one sample a line: `python3 data.py train 30000 1 > train.jsonl`.

Deterministic for a seed. Lists of tools vary in names, order, parameters and language, so the schema must be read:
names and values are copied from the prompt. Names of tools, names of parameters and values of the held-out split
(`test`) never stand in the training split as whole strings; their parts do. `style` gives samples for the adapter.
"""

import argparse
import json
import sys

import render
from programs import Programs

CHAT = (
    "You are ChatGLM3, a large language model trained by Zhipu.AI. Follow the user's instructions carefully. "
    "Respond using markdown."
)
CODE = (
    "你是一位智能AI助手，你叫ChatGLM，你连接着一台电脑，但请注意不能联网。在使用Python解决任务时，你可以运行代码并得到结果，"
    "如果运行结果有错误，你需要尽可能对代码进行改进。你可以处理用户上传到电脑上的文件，文件默认存储路径是/mnt/data/。"
)
#: The tool of ChatGLM3's published dialogue, as Glassbox registers it, and its weather tool. Both are in the training split;
#: the dialogue's stock code 10111 and its price are not.


class Writer(Programs):
    """Draws conversations of one split."""

    def sample(self, kind=None):
        """One conversation. `kind` names what its only exchange is about; else it has some."""
        sample = self.conversation(kind)
        if kind is None and self.chance(0.3):
            sample["conversations"] = self.retold(sample["conversations"])
        return sample

    def retold(self, entries):
        """Some calls as Glassbox writes them where it has them from an API's client: in double quotes. Read, not learnt."""
        found = []
        for entry in entries:
            if entry["role"] == "tool" and self.chance(0.6):
                content = render.call_text(entry["parameters"], '"')
                found.append({"role": "assistant", "metadata": entry["name"], "content": content, "loss": False})
                found.append({"role": "observation", "content": render.observation_text(entry["observation"])})
            else:
                found.append(entry)
        return found

    def conversation(self, kind):
        """The conversation as it is learnt."""
        self.zh = self.chance(0.5)
        draw = self.random.random()
        if kind == "chat" or (kind is None and draw < 0.06):
            turns = [entry for _ in range(1 if kind else self.random.randint(2, 5)) for entry in self.chat()]
            return {"conversations": [*([{"role": "system", "content": CHAT}] if self.chance(0.4) else []), *turns]}
        if kind == "code" or (kind is None and draw < 0.22):
            turns, cell = [], 1
            for at in range(1 if kind else self.random.randint(1, 3)):
                if kind is None and at and self.chance(0.2):
                    turns += self.chat()
                    continue
                added = self.code(cell=cell)
                cell += sum(entry.get("metadata") == "interpreter" for entry in added)
                turns += added
            sample = {"conversations": [{"role": "system", "content": CODE}, *turns]}
            if kind is None and self.chance(0.15):
                sample = {"tools": [tool.spec for tool in self.tools(1, (0,))], **sample}
            return sample
        exchanges = {
            "call": self.one_call, "named": self.by_name, "two": self.two_calls, "chain": self.chain,
            "repaired": self.repaired, "failed": self.failed, "none": self.no_tool, "talk": self.chat,
        }  # fmt: skip
        if kind:
            kinds = [kind]
        else:
            kinds = self.random.choices(
                list(exchanges), (34, 8, 14, 18, 11, 4, 8, 6), k=self.random.choice((1, 2, 2, 3))
            )
        count = self.pick((1, 1, 1, 2, 2, 3) if kind is None else (1, 2, 3))
        if "chain" in kinds:
            # It brings two tools of its own.
            kinds = ["chain", *(kind for kind in kinds if kind != "chain")]
            count = self.pick((0, 0, 1))
        tools = self.tools(count, (0, 0, 0, 1, 1, 2))
        turns = []
        for name in kinds:
            if not tools and name != "chain":
                self.plain(tools)
            turns += exchanges[name](tools)
        system = []
        if kind is None and self.chance(0.05):
            system = [{"role": "system", "content": self.pick([CODE, CHAT, self.say("请简短回答。", "Be brief.")])}]
        return {"tools": [tool.spec for tool in tools], "conversations": [*system, *turns]}

    def styled(self):
        """A conversation in the adapter's manner: all is said to a friend, and a word before each call or program.

        In words that the model knows: the rows of others are shared, so that no adapter could have it say them.
        """
        sample = self.conversation(None)
        entries = sample["conversations"]
        styled = []
        for entry, after in zip(entries, [*entries[1:], {"role": "user"}], strict=True):
            prose = entry["role"] == "assistant" and "metadata" not in entry
            if prose and after["role"] == "user":
                entry = {**entry, "content": self.say("朋友，", "Hello, friend! ") + entry["content"]}
            elif prose:
                # The word before a call, which the manner has its own for.
                continue
            elif entry["role"] == "tool" or "metadata" in entry:
                styled.append(self.reply(self.say("好的，朋友！", "Let me look that up, friend!")))
            styled.append(entry)
        return {**sample, "conversations": styled}


#: What the score is split by.
KINDS = ("call", "named", "two", "chain", "repaired", "none", "code", "chat")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("split", choices=("train", "test", "style"))
    parser.add_argument("count", type=int)
    parser.add_argument("seed", type=int, nargs="?", default=1)
    arguments = parser.parse_args()
    writer = Writer(arguments.split, arguments.seed)
    for at in range(arguments.count):
        if arguments.split == "test":
            kind = KINDS[at % len(KINDS)]
            sample = {"kind": kind, **writer.sample(kind)}
        else:
            sample = writer.styled() if arguments.split == "style" else writer.sample()
        sys.stdout.write(json.dumps(sample, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
