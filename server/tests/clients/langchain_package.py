"""`langchain-openai` with a tool against the server whose address is the first argument."""

import sys

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI


@tool
def track(symbol: str) -> str:
    """Look up the price of a stock by its symbol"""
    assert isinstance(symbol, str)
    return "The price is 12412."


chat = ChatOpenAI(base_url=sys.argv[1], api_key="secret", model="test", timeout=120, max_completion_tokens=40)
messages = [HumanMessage("What is the price of stock 10111?")]
asked = chat.bind_tools([track], tool_choice="track").invoke(messages)
assert [call["name"] for call in asked.tool_calls] == ["track"], asked
assert asked.usage_metadata["input_tokens"] > 0, asked
messages.append(asked)
for call in asked.tool_calls:
    answer = track.invoke(call)
    assert isinstance(answer, ToolMessage) and answer.tool_call_id == call["id"]
    messages.append(answer)
said = chat.bind_tools([track]).invoke(messages)
# What a small model makes of it is its own affair; that it read it is not.
assert said.content or said.tool_calls, said
assert said.usage_metadata["input_tokens"] > asked.usage_metadata["input_tokens"] + 10, said

# Streamed: the pieces of a call add up.
pieces = None
for piece in chat.bind_tools([track], tool_choice="required").stream(messages[:1]):
    pieces = piece if pieces is None else pieces + piece
assert [call["name"] for call in pieces.tool_calls] == ["track"], pieces
assert pieces.tool_calls[0]["args"] == asked.tool_calls[0]["args"], pieces
print("ok")
