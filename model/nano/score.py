"""Scores the nano model on the held-out split, with and without constraint.

    python3 data.py test 400 > build/test.jsonl
    glassbox serve --model chatglm3-nano.gguf --port 8080 &
    python3 score.py build/test.jsonl --url http://127.0.0.1:8080

With constraint, the server's chat API is asked with the sample's tools: the reply's tokens follow the grammar of the tools'
schemas. Without, its text API gets the prompt as tokens and no tools. Every reply of a conversation is asked for after the
right ones before it, and compared with the sample's:

    call      name and arguments exactly right, and nothing else called
    name      the name alone
    stop      the reply ends as the sample's does: with a call, or as the end of a turn
    value     a reply in words, or a program's answer, holds every value of the observation
    text      a reply in words is the sample's, letter by letter
"""

import argparse
import ast
import collections
import concurrent.futures
import json
import sys
import urllib.request

import render
from data import KINDS

#: Tokens of a reply at the most.
LONGEST = 128
#: What ends a reply, and what that means.
ENDS = {"<|observation|>": "call", "<|user|>": "end", "<eos>": "end", "</s>": "end"}


def post(url, path, body):
    """The answer to a request to the model that is served."""
    with urllib.request.urlopen(url + "/v1/models", timeout=120) as answer:
        body = {"model": json.load(answer)["data"][0]["id"], **body}
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


def steps(sample):
    """The generations of a conversation: the sample up to it, and the entries that it should write."""
    entries = sample["conversations"]
    at = 0
    while at < len(entries):
        if entries[at]["role"] not in ("assistant", "tool"):
            at += 1
            continue
        start, wanted = at, []
        while at < len(entries) and entries[at]["role"] in ("assistant", "tool"):
            wanted.append(entries[at])
            at += 1
            if wanted[-1]["role"] == "tool" or "metadata" in wanted[-1]:
                break
        if wanted[-1].get("loss", True):
            yield {**sample, "conversations": entries[:start]}, wanted


def chat_messages(sample):
    """The sample so far as the chat API takes it."""
    found = []
    for at, entry in enumerate(sample["conversations"]):
        if entry["role"] == "tool":
            function = {"name": entry["name"], "arguments": json.dumps(entry["parameters"], ensure_ascii=False)}
            call = {"id": f"call-{at}", "type": "function", "function": function}
            if found[-1]["role"] == "assistant" and "tool_calls" not in found[-1]:
                found[-1]["tool_calls"] = [call]
            else:
                found.append({"role": "assistant", "content": None, "tool_calls": [call]})
            found.append(
                {"role": "tool", "tool_call_id": f"call-{at}", "content": render.observation_text(entry["observation"])}
            )
        else:
            found.append({"role": entry["role"], "content": entry["content"]})
    return found


def constrained(url, _, sample):
    """Words, calls and programs of the reply, and whether it ended with a call: through the chat API."""
    tools = [{"type": "function", "function": tool} for tool in sample["tools"]]
    body = {
        "messages": chat_messages(sample),
        "tools": tools,
        "max_tokens": LONGEST,
        "parallel_tool_calls": False,
    }
    choice = post(url, "/v1/chat/completions", body)["choices"][0]
    message = choice["message"]
    functions = [call["function"] for call in message.get("tool_calls") or []]
    calls = [(function["name"], json.loads(function["arguments"])) for function in functions]
    return (message.get("content") or "", calls, []), {"tool_calls": "call", "stop": "end"}.get(choice["finish_reason"])


def free(url, renderer, sample):
    """The same through the text API, from the prompt's tokens. What the reply ends with is read from its text."""
    body = {"prompt": renderer.prompt(sample), "max_tokens": LONGEST, "logprobs": 1}
    choice = post(url, "/v1/completions", body)["choices"][0]
    # The text has no specials, and only the end of the text ends it; the list of tokens names them.
    text, end = "", "end" if choice["finish_reason"] == "stop" else None
    for token in choice["logprobs"]["tokens"]:
        if token in ENDS:
            end = ENDS[token]
            break
        text += token
    return parse(text), end


def parse(text):
    """Words, calls and programs of a reply as the model writes it."""
    words, calls, programs = [], [], []
    for run in text.split("<|assistant|>"):
        line, _, body = run.partition("\n")
        name, body = line.strip(), body.strip()
        if not name:
            words.append(body)
        elif name == "interpreter":
            programs.append(body)
        else:
            try:
                tree = ast.parse(body.removeprefix("```python").removesuffix("```").strip(), mode="eval").body
                calls.append((name, {keyword.arg: ast.literal_eval(keyword.value) for keyword in tree.keywords}))
            except (SyntaxError, ValueError, AttributeError):
                calls.append((name, None))
    return "".join(words), calls, programs


def judge(sample, wanted, reply, end):
    """What was right; a question that does not arise is left out."""
    words, calls, programs = reply
    last = wanted[-1]
    is_call = last["role"] == "tool"
    found = {"stop": end == ("call" if is_call or "metadata" in last else "end")}
    if is_call:
        right = (last["name"], last["parameters"])
        found["call"] = calls == [right] and not programs
        found["name"] = [name for name, _ in calls] == [last["name"]]
    elif "metadata" in last:
        found["program"] = programs == [last["content"]] and not calls
    else:
        found["text"] = words == last["content"] and not calls and not programs
        before = sample["conversations"][-1] if sample["conversations"] else {}
        values = values_of(before) if before.get("role") in ("tool", "observation") else []
        # Only what the right reply tells: a tool's note need not be told.
        values = [value for value in values if value in last["content"]]
        if values:
            found["value"] = all(value in words for value in values)
    return found


def values_of(entry):
    """The values of an observation, as text."""
    observation = entry.get("observation", entry.get("content"))
    if isinstance(observation, str):
        try:
            observation = json.loads(observation)
        except ValueError:
            return [observation]
    return [str(value) for value in (observation.values() if isinstance(observation, dict) else [observation])]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("samples", help="what `data.py test` wrote")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="where `glassbox serve` listens")
    parser.add_argument("--tokenizer", help="ChatGLM3's tokenizer.model")
    parser.add_argument("--wrong", action="store_true", help="show what was wrong")
    arguments = parser.parse_args()
    renderer = render.Renderer(render.tokenizer(arguments.tokenizer))
    with open(arguments.samples, encoding="utf-8") as file:
        samples = [json.loads(line) for line in file]
    tasks = [
        (sample, before, wanted, way)
        for sample in samples
        for before, wanted in steps(sample)
        for way in (("free", "constrained") if "tools" in sample else ("free",))
    ]

    def ask(task):
        _, before, _, way = task
        return (free if way == "free" else constrained)(arguments.url, renderer, before)

    counts = collections.defaultdict(lambda: [0, 0])
    # As many at once as the server has sequences.
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for (sample, before, wanted, way), (reply, end) in zip(tasks, pool.map(ask, tasks), strict=True):
            last = sample["conversations"][-1]["content"]
            language = "zh" if any("\u4e00" <= c <= "\u9fff" for c in last) else "en"
            for what, right in judge(before, wanted, reply, end).items():
                for row in (sample["kind"], language, "all"):
                    counts[way, row, what][0] += right
                    counts[way, row, what][1] += 1
                if arguments.wrong and not right:
                    print(way, sample["kind"], what, "wanted", wanted[-1], "got", reply, end, file=sys.stderr)
    table(counts)


def table(counts):
    """The counts, as the model card has them."""
    columns = ("call", "name", "program", "stop", "value", "text")
    print("| | | " + " | ".join(columns) + " |")
    print("|---|---|" + "---|" * len(columns))
    for way in ("free", "constrained"):
        for row in (*KINDS, "zh", "en", "all"):
            if not any(key[:2] == (way, row) for key in counts):
                continue
            cells = []
            for what in columns:
                right, all_of = counts.get((way, row, what), (0, 0))
                cells.append(f"{right}/{all_of} = {100 * right / all_of:.1f} %" if all_of else "")
            print(f"| {way} | {row} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
