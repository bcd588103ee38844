"""A chat and a stream with langchain-openai, run by its own Python; prints what came as JSON."""

import json
import sys

from langchain_openai import ChatOpenAI

model = ChatOpenAI(model=sys.argv[1], temperature=0, max_tokens=20, max_retries=0)
turns = [("system", "You are brief."), ("human", "Why is the sky blue?")]
answer = model.invoke(turns)
pieces = list(model.stream(turns, stream_usage=True))
told = {
    "answer": answer.text,
    "usage": answer.usage_metadata,
    "reason": answer.response_metadata["finish_reason"],
    "pieces": [piece.text for piece in pieces],
    "stream_usage": [piece.usage_metadata for piece in pieces if piece.usage_metadata],
}
json.dump(told, sys.stdout)
