"""Adapter of botocore, which checks each field against AWS's service model before it sends."""

from __future__ import annotations

import base64
import json
from typing import Any

from differential.answer_summary import AnswerSummary
from differential.conversations import Params

REGION = "us-east-1"


def ask(base: str, key: str, model: str, params: Params, *, stream: bool) -> AnswerSummary:
    """Send a chat with the client; return the summary. The key is access key id and secret."""
    client = _client(base, key)
    try:
        arguments = {"modelId": model, **_arguments(params)}
        if stream:
            return _streamed(client.converse_stream(**arguments)["stream"])
        return _whole(client.converse(**arguments))
    finally:
        client.close()


def _client(base: str, key: str) -> Any:
    import botocore.config
    import botocore.session

    config = botocore.config.Config(
        retries={"total_max_attempts": 1}, connect_timeout=120, read_timeout=120
    )
    return botocore.session.Session().create_client(
        "bedrock-runtime",
        region_name=REGION,
        endpoint_url=base,
        aws_access_key_id=key,
        aws_secret_access_key=key,
        config=config,
    )


def _arguments(params: Params) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "messages": [_message(m) for m in params["messages"] if m["role"] != "system"]
    }
    system = [{"text": m["content"]} for m in params["messages"] if m["role"] == "system"]
    if system:
        arguments["system"] = system
    if tools := params.get("tools"):
        arguments["toolConfig"] = {"tools": [_tool(tool) for tool in tools]}
        choice = params.get("toolChoice")
        if isinstance(choice, dict):
            arguments["toolConfig"]["toolChoice"] = {"tool": choice}
        elif choice in {"auto", "required"}:
            arguments["toolConfig"]["toolChoice"] = {"any" if choice == "required" else "auto": {}}
    if form := params.get("responseFormat"):
        schema = {"name": form["name"], "schema": json.dumps(form["schema"])}
        arguments["outputConfig"] = {
            "textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}
        }
    if params.get("reasoning"):
        thinking = {"type": "enabled", "budget_tokens": 24576}
        arguments["additionalModelRequestFields"] = {"thinking": thinking}
    names = {
        "maxOutputTokens": "maxTokens",
        "temperature": "temperature",
        "stop": "stopSequences",
    }
    if config := {names[name]: params[name] for name in names if name in params}:
        arguments["inferenceConfig"] = config
    return arguments


def _tool(tool: Params) -> Params:
    return {
        "toolSpec": {
            "name": tool["name"],
            "description": tool["description"],
            "inputSchema": {"json": tool["inputSchema"]},
        }
    }


def _message(message: Params) -> Params:
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    role = "user" if message["role"] == "tool" else message["role"]
    return {"role": role, "content": [_block(part) for part in parts]}


def _block(part: Params) -> Params:
    if part["type"] == "text":
        return {"text": part["text"]}
    if part["type"] == "toolCall":
        call = {"toolUseId": part["callId"], "name": part["name"], "input": part["arguments"]}
        return {"toolUse": call}
    if part["type"] == "toolResult":
        result = {"toolUseId": part["callId"], "content": [{"text": part["content"]}]}
        return {"toolResult": result}
    held = {
        "format": part["mediaType"].rpartition("/")[2],
        "source": {"bytes": base64.b64decode(part["data"])},
    }
    return (
        {"image": held} if part["type"] == "image" else {"document": held | {"name": part["name"]}}
    )


def _usage(summary: AnswerSummary, usage: Params) -> None:
    cached = usage.get("cacheReadInputTokens", 0) + usage.get("cacheWriteInputTokens", 0)
    summary.input_tokens = usage["inputTokens"] + cached
    summary.output_tokens = usage["outputTokens"]


def _whole(answer: Params) -> AnswerSummary:
    summary = AnswerSummary(finish=answer["stopReason"])
    for block in answer["output"]["message"]["content"]:
        summary.text += block.get("text", "")
        summary.reasoning += (
            block.get("reasoningContent", {}).get("reasoningText", {}).get("text", "")
        )
        if call := block.get("toolUse"):
            summary.calls.append((call["name"], call["input"]))
    _usage(summary, answer["usage"])
    return summary


def _streamed(events: Any) -> AnswerSummary:
    summary, calls = AnswerSummary(), dict[int, list[str]]()
    for event in events:
        if call := event.get("contentBlockStart", {}).get("start", {}).get("toolUse"):
            if call.get("type") != "server_tool_use":  # a call that the provider runs itself
                calls[event["contentBlockStart"]["contentBlockIndex"]] = [call["name"], ""]
        elif delta := event.get("contentBlockDelta"):
            summary.text += delta["delta"].get("text", "")
            summary.reasoning += delta["delta"].get("reasoningContent", {}).get("text", "")
            if (piece := delta["delta"].get("toolUse")) and delta["contentBlockIndex"] in calls:
                calls[delta["contentBlockIndex"]][1] += piece["input"]
        elif stop := event.get("messageStop"):
            summary.finish = stop["stopReason"]
        elif metadata := event.get("metadata"):
            _usage(summary, metadata["usage"])
    summary.calls = [(name, json.loads(text or "{}")) for name, text in calls.values()]
    return summary
