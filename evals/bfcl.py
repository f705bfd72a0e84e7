"""Asks a model the questions of the Berkeley Function Calling Leaderboard (v4) through an OpenAI-compatible API.

The data and the checker are those of the package `bfcl-eval`; this program asks, keeps every answer in a file as it
comes, so that a run that was stopped goes on, and counts. `glassbox eval` makes the environment and starts it.

Names of tools have `_` in place of `.`, as OpenAI's API wants them, and the checker is told so.
"""

import argparse
import concurrent.futures
import copy
import json
import math
import os
import sys
import time
import types
import urllib.error
import urllib.request

#: What is asked for where no category is named: all that is asked in one turn and that Python's checker can check.
CATEGORIES = (
    "simple_python", "multiple", "parallel", "parallel_multiple", "irrelevance", "live_simple", "live_multiple",
    "live_parallel", "live_relevance", "live_irrelevance", "multi_turn_base",
)  # fmt: skip
#: Asked by `glassbox eval` itself, in the sandbox; counted here.
PROGRAMS = ("code", "humaneval")
#: Replies of one turn of a conversation, as the leaderboard has it.
STEPS = 20
NAME = "glassbox-eval"


def load_checker():
    """The checker, without the clients of all vendors that its list of models would import."""
    config = types.ModuleType("bfcl_eval.constants.model_config")
    config.MODEL_CONFIG_MAPPING = {NAME: types.SimpleNamespace(underscore_to_dot=True)}
    sys.modules[config.__name__] = config
    import bfcl_eval
    from bfcl_eval.constants.enums import Language
    from bfcl_eval.constants.executable_backend_config import MULTI_TURN_FUNC_DOC_FILE_MAPPING
    from bfcl_eval.constants.type_mappings import GORILLA_TO_OPENAPI
    from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker

    return types.SimpleNamespace(
        data=os.path.join(os.path.dirname(bfcl_eval.__file__), "data"),
        types=GORILLA_TO_OPENAPI,
        docs=MULTI_TURN_FUNC_DOC_FILE_MAPPING,
        ast=lambda case, calls, answers, category: ast_checker(
            case["function"], calls, answers, Language.PYTHON, category, NAME
        ),
    )


def lines_of(path):
    """A file of JSON lines."""
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def answers_of(path):
    """The answers in a file, by case. One that is an error of the API is there until the case has been asked again."""
    return {answer["id"]: answer for answer in lines_of(path)}


def cases_of(checker, category, part):
    """The cases of a category whose place, modulo K, is R; with their answers."""
    name = f"BFCL_v4_{category}.json"
    cases = lines_of(os.path.join(checker.data, name))
    answers = os.path.join(checker.data, "possible_answer", name)
    known = {entry["id"]: entry["ground_truth"] for entry in lines_of(answers)} if os.path.exists(answers) else {}
    modulus, remainder = part
    for case in cases[remainder::modulus]:
        case["category"], case["answers"] = category, known.get(case["id"])
        if category.startswith("multi_turn"):
            docs = (checker.docs[name] for name in case["involved_classes"])
            docs = (doc for file in docs for doc in lines_of(os.path.join(checker.data, "multi_turn_func_doc", file)))
            case["function"] = list(docs)
        yield case


def tool(function, known):
    """A function of the leaderboard in OpenAI's form."""
    parameters = schema(function["parameters"], known)
    name = function["name"].replace(".", "_")
    described = {"name": name, "description": function["description"], "parameters": parameters}
    return {"type": "function", "function": described}


def schema(given, known):
    """A schema of the leaderboard as JSON Schema: its types have names of their own."""
    if not isinstance(given, dict):
        return given
    made = {key: value for key, value in given.items() if key not in ("optional", "required")}
    if isinstance(given.get("required"), list):
        made["required"] = given["required"]
    kind = given.get("type", "string")
    made["type"] = known.get(kind, "string") if isinstance(kind, str) else "string"
    if kind == "float":
        made["format"] = "float"
        made["description"] = (given.get("description", "") + " This is a float type value.").strip()
    # A default is for whoever reads it; its type is not always the parameter's.
    if "properties" in made:
        made["properties"] = {name: schema(value, known) for name, value in given["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), dict):
            made[key] = schema(made[key], known)
    if made["type"] == "array" and "items" not in made:
        made["items"] = {}
    return made


class Api:
    """An OpenAI-compatible API."""

    def __init__(self, args):
        self.url = args.url.rstrip("/") + "/chat/completions"
        self.key, self.model, self.timeout = args.api_key, args.model, args.timeout
        self.extra = {"temperature": 0, "max_tokens": args.max_tokens, "tool_choice": args.tool_choice}

    def ask(self, messages, tools):
        """One reply, and what it cost; an error of the API counts as a reply without calls and is kept."""
        body = {"model": self.model, "messages": messages, "tools": tools, **self.extra}
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"}
        request = urllib.request.Request(self.url, json.dumps(body).encode(), headers)
        for wait in (1, 2, 4, 8, None):
            try:
                with urllib.request.urlopen(request, timeout=self.timeout) as response:
                    reply = json.load(response)
                break
            except urllib.error.HTTPError as error:
                # A full queue is worth another try; all else would be refused again.
                if error.code == 429 and wait is not None:
                    time.sleep(wait)
                    continue
                return {"role": "assistant", "content": None}, {}, f"{error.code}: {error.read().decode()[:500]}"
        return reply["choices"][0]["message"], reply.get("usage") or {}, None


def read_calls(message):
    """The calls of a reply as `{name: arguments}`; a string where the arguments are no object in JSON."""
    calls = []
    for call in message.get("tool_calls") or []:
        arguments = call["function"]["arguments"]
        try:
            arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
        except ValueError:
            pass
        calls.append({call["function"]["name"]: arguments})
    return calls


def check_schema(calls, tools):
    """How many calls are no JSON, name no tool, or break its schema."""
    import jsonschema

    schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools}
    wrong = 0
    for call in calls:
        ((name, arguments),) = call.items()
        if not isinstance(arguments, dict) or name not in schemas:
            wrong += 1
        elif not jsonschema.Draft202012Validator(schemas[name]).is_valid(arguments):
            wrong += 1
    return wrong


def one_turn(api, checker, case):
    """Asks a question of one turn."""
    tools = [tool(function, checker.types) for function in case["function"]]
    message, usage, error = api.ask(case["question"][0], tools)
    calls = read_calls(message)
    category = case["category"]
    if "irrelevance" in category:
        right, why = not calls, "it called a tool"
    elif "relevance" in category:
        right, why = bool(calls), "it called no tool"
    elif any(not isinstance(arguments, dict) for call in calls for arguments in call.values()):
        right, why = False, "arguments are no object"
    else:
        verdict = checker.ast(case, calls, case["answers"], category)
        right, why = bool(verdict["valid"]), "; ".join(map(str, verdict.get("error", [])))
    return {
        "right": right, "why": None if right else error or why, "calls": calls, "text": message.get("content"),
        "bad_calls": check_schema(calls, tools), "emitted": len(calls), "usage": usage, "error": error,
    }  # fmt: skip


def conversation(api, checker, case):
    """Leads a conversation whose tools are run by the leaderboard's own classes."""
    from bfcl_eval.eval_checker.multi_turn_eval.multi_turn_checker import multi_turn_checker
    from bfcl_eval.eval_checker.multi_turn_eval.multi_turn_utils import execute_multi_turn_func_call

    # Here only: the checker compares classes by the names of their modules.
    kept = copy.deepcopy(case)
    tools = [tool(function, checker.types) for function in case["function"]]
    names = {entry["function"]["name"] for entry in tools}
    messages, turns, bad, emitted, error = [], [], 0, 0, None
    prompt = cached = written = 0
    for question in case["question"]:
        messages += question
        steps = []
        for _ in range(STEPS):
            message, usage, error = api.ask(messages, tools)
            prompt += usage.get("prompt_tokens", 0)
            cached += (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
            written += usage.get("completion_tokens", 0)
            calls = read_calls(message)
            messages.append({key: value for key, value in message.items() if key in ("role", "content", "tool_calls")})
            if not calls:
                break
            bad, emitted = bad + check_schema(calls, tools), emitted + len(calls)
            # What is run is made of names that are known and of literals.
            ready = [as_source(call) if next(iter(call)) in names else None for call in calls]
            steps.append([source for source in ready if source])
            for call, source in zip(message["tool_calls"], ready):
                result = "Error: there is no such tool, or its arguments are no object"
                if source:
                    (result,), _ = execute_multi_turn_func_call(
                        [source], case["initial_config"], case["involved_classes"], NAME, case["id"]
                    )
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
        turns.append(steps)
        if error:
            break
    if len(turns) == len(kept["answers"]):
        verdict = multi_turn_checker(turns, kept["answers"], kept, "multi_turn_base", NAME)
        right, why = bool(verdict["valid"]), str(verdict.get("error_type"))
    else:
        right, why = False, "the conversation broke off"
    usage = {"prompt_tokens": prompt, "completion_tokens": written, "prompt_tokens_details": {"cached_tokens": cached}}
    return {
        "right": right, "why": None if right else error or why, "calls": turns, "text": messages[-1].get("content"),
        "bad_calls": bad, "emitted": emitted, "usage": usage, "error": error,
    }  # fmt: skip


def as_source(call):
    """A call as Python that holds literals only."""
    ((name, arguments),) = call.items()
    if not isinstance(arguments, dict) or not all(key.isidentifier() for key in arguments):
        return None
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"


def interval(right, count):
    """Wilson's interval of 95 %."""
    if not count:
        return 0.0, 1.0
    z, share = 1.96, right / count
    middle = share + z * z / (2 * count)
    spread = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return (middle - spread) / (1 + z * z / count), (middle + spread) / (1 + z * z / count)


def summary(results):
    """A row for each category."""
    rows = {}
    for category in sorted({result["category"] for result in results}, key=(CATEGORIES + PROGRAMS).index):
        own = [result for result in results if result["category"] == category]
        right = sum(result["right"] for result in own)
        low, high = interval(right, len(own))
        rows[category] = {
            "cases": len(own), "right": right, "accuracy": right / len(own), "low": low, "high": high,
            "seconds": sum(result["seconds"] for result in own) / len(own),
            "calls": sum(result["emitted"] for result in own),
            "bad_calls": sum(result["bad_calls"] for result in own),
            "errors": sum(result["error"] is not None for result in own),
        }  # fmt: skip
    return rows


def show(rows, other):
    """The table; beside another run's, where there is one."""
    head = f"{'category':<18} {'right':>9} {'accuracy':>9} {'95 %':>13} {'s/case':>7} {'calls':>6} {'bad':>4} {'errors':>7}"
    print(head + (f" {'other':>9} {'change':>8}" if other else ""))
    for category, row in rows.items():
        line = (
            f"{category:<18} {row['right']:>4}/{row['cases']:<4} {row['accuracy']:>9.3f} {row['low']:>6.3f}–{row['high']:.3f}"
            f" {row['seconds']:>7.2f} {row['calls']:>6} {row['bad_calls']:>4} {row['errors']:>7}"
        )
        if other and category in other:
            line += f" {other[category]['accuracy']:>9.3f} {row['accuracy'] - other[category]['accuracy']:>+8.3f}"
        print(line)


def a_part(text):
    """`K:R`."""
    modulus, _, remainder = text.partition(":")
    modulus, remainder = int(modulus), int(remainder)
    if not 0 <= remainder < modulus:
        raise argparse.ArgumentTypeError(f"`{text}` is not K:R with R from 0 to K-1")
    return modulus, remainder


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--api-key", default="-")
    parser.add_argument("--category", action="append", choices=CATEGORIES + PROGRAMS)
    parser.add_argument("--slice", action="append", type=a_part)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--tool-choice", default="auto")
    parser.add_argument("--max-tokens", type=int, default=1024)
    parser.add_argument("--timeout", type=float, default=600)
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--out", required=True, help="the answers, one a line; a run goes on where it stopped")
    parser.add_argument("--answered", help="cases of `code` and `humaneval` that are to be counted, with commas between")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--compare", help="the answers of another run")
    args = parser.parse_args()

    done = answers_of(args.out) if os.path.exists(args.out) else {}
    asked = args.category or CATEGORIES
    programs = [done[id] for id in (args.answered or "").split(",") if id in done]
    questions = []
    left_to_ask = [category for category in asked if category not in PROGRAMS]
    checker, api = load_checker() if left_to_ask else None, Api(args)
    for category in left_to_ask:
        own = [case for part in args.slice or [(1, 0)] for case in cases_of(checker, category, part)]
        questions += own[: args.limit]
    answered = {id for id, answer in done.items() if answer["error"] is None}
    left = [case for case in questions if case["id"] not in answered]
    started = time.monotonic()

    def ask(case):
        begun = time.monotonic()
        lead = conversation if case["category"].startswith("multi_turn") else one_turn
        result = lead(api, checker, case)
        return {"id": case["id"], "category": case["category"], "seconds": time.monotonic() - begun, **result}

    with open(args.out, "a", encoding="utf-8") as kept, concurrent.futures.ThreadPoolExecutor(args.parallel) as pool:
        for number, result in enumerate(pool.map(ask, left), 1):
            kept.write(json.dumps(result, ensure_ascii=False) + "\n")
            kept.flush()
            done[result["id"]] = result
            if sys.stderr.isatty():
                spent = time.monotonic() - started
                rest = spent / number * (len(left) - number)
                print(f"\r\033[K{number}/{len(left)} {result['category']} · {rest:.0f} s left", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    rows = summary(programs + [done[case["id"]] for case in questions])
    other = summary(answers_of(args.compare).values()) if args.compare else None
    if args.json:
        print(json.dumps({"model": args.model, "categories": rows, "other": other}, ensure_ascii=False))
    else:
        show(rows, other)


if __name__ == "__main__":
    main()
