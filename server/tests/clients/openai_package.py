"""The `openai` Python package against the server whose address is the first argument."""

import json
import sys

import openai
from openai import OpenAI

client = OpenAI(base_url=sys.argv[1], api_key="secret", timeout=120)
MODEL = "test"
QUESTION = [{"role": "user", "content": "Name one colour of the rainbow."}]
TRACK = {
    "type": "function",
    "function": {
        "name": "track",
        "description": "Look up the price of a stock by its symbol",
        "parameters": {"type": "object", "properties": {"symbol": {"type": "string"}}, "required": ["symbol"]},
    },
}

# The models.
assert MODEL in [model.id for model in client.models.list()]
assert client.models.retrieve(MODEL).id == MODEL

# A reply, whole and streamed.
whole = client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=16, logprobs=True, top_logprobs=2)
choice = whole.choices[0]
assert choice.finish_reason in ("stop", "length") and choice.message.content
assert b"".join(bytes(token.bytes) for token in choice.logprobs.content).decode() == choice.message.content
assert all(len(token.top_logprobs) == 2 for token in choice.logprobs.content)
assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
text, usage, reasons = "", None, []
for chunk in client.chat.completions.create(
    model=MODEL, messages=QUESTION, max_tokens=16, stream=True, stream_options={"include_usage": True}
):
    usage = chunk.usage or usage
    for part in chunk.choices:
        text += part.delta.content or ""
        reasons += [part.finish_reason] if part.finish_reason else []
assert text == choice.message.content, (text, choice.message.content)
assert reasons == [choice.finish_reason] and usage.completion_tokens == whole.usage.completion_tokens
# The prompt was read for the first reply; its last token is computed anew each time.
assert usage.prompt_tokens_details.cached_tokens == usage.prompt_tokens - 1, usage

# A stream that is left.
with client.chat.completions.create(model=MODEL, messages=QUESTION, stream=True) as stream:
    next(iter(stream))

# A tool: the call, its answer, a reply with it. Whole, then streamed through the package's own helper.
messages = [{"role": "user", "content": "What is the price of stock 10111?"}]
asked = client.chat.completions.create(model=MODEL, messages=messages, tools=[TRACK], tool_choice="required", parallel_tool_calls=False)
assert asked.choices[0].finish_reason == "tool_calls", asked
call = asked.choices[0].message.tool_calls[0]
assert call.function.name == "track" and isinstance(json.loads(call.function.arguments)["symbol"], str)
messages += [asked.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": '{"price": 12412}'}]
answer = client.chat.completions.create(model=MODEL, messages=messages, tools=[TRACK], max_tokens=24)
# What a small model makes of it is its own affair; that it read it is not.
assert answer.choices[0].message.content or answer.choices[0].message.tool_calls, answer
assert answer.usage.prompt_tokens > asked.usage.prompt_tokens + 10, (asked.usage, answer.usage)
with client.chat.completions.stream(
    model=MODEL, messages=messages[:1], tools=[TRACK], tool_choice={"type": "function", "function": {"name": "track"}}
) as stream:
    kinds = {event.type for event in stream}
    streamed = stream.get_final_completion().choices[0]
assert "tool_calls.function.arguments.done" in kinds, kinds
assert streamed.message.tool_calls[0].function.name == "track" and streamed.finish_reason == "tool_calls"

# A reply of a form.
schema = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}, "large": {"type": "boolean"}},
    "required": ["city", "large"],
    "additionalProperties": False,
}
form = {"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": schema}}
reply = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Name a city, as JSON."}], response_format=form)
value = json.loads(reply.choices[0].message.content)
assert set(value) == {"city", "large"} and isinstance(value["large"], bool), value

# Plain text.
plain = client.completions.create(model=MODEL, prompt=["One, two, three,", "Monday, Tuesday,"], max_tokens=6, logprobs=1)
assert [text.index for text in plain.choices] == [0, 1] and "four" in plain.choices[0].text, plain
assert len(plain.choices[0].logprobs.tokens) == 6
pieces = [chunk.choices[0].text for chunk in client.completions.create(model=MODEL, prompt="One, two, three,", max_tokens=6, stream=True)]
assert "".join(pieces) == plain.choices[0].text, pieces


# Several replies to one question.
several = client.chat.completions.create(model=MODEL, messages=QUESTION, n=3, temperature=1, seed=7, max_tokens=8)
assert [choice.index for choice in several.choices] == [0, 1, 2]
assert len({choice.message.content for choice in several.choices}) > 1, several
streamed, usage = {}, None
for chunk in client.chat.completions.create(
    model=MODEL, messages=QUESTION, n=3, temperature=1, seed=7, max_tokens=8, stream=True,
    stream_options={"include_usage": True},
):
    usage = chunk.usage or usage
    for choice in chunk.choices:
        streamed[choice.index] = streamed.get(choice.index, "") + (choice.delta.content or "")
assert [streamed[index] for index in range(3)] == [choice.message.content for choice in several.choices]
assert (usage.prompt_tokens, usage.completion_tokens) == (several.usage.prompt_tokens, several.usage.completion_tokens)


def refused(kind, **more):
    try:
        client.with_options(max_retries=0, **more.pop("options", {})).chat.completions.create(
            **{"model": MODEL, "messages": QUESTION, **more}
        )
    except kind as error:
        return error
    raise AssertionError(f"{kind} was not raised for {more}")


assert refused(openai.NotFoundError, model="other").code == "model_not_found"
assert refused(openai.BadRequestError, n=17).param == "n"
assert refused(openai.BadRequestError, messages=[{"role": "user", "content": "word " * 5000}]).code == "context_length_exceeded"
assert refused(openai.AuthenticationError, options={"api_key": "wrong"}).code == "invalid_api_key"
print("ok")
