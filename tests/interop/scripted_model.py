"""Writes a tiny GGUF model whose answers are scripts (GGUF v3; ggml docs/gguf.md, 2026-11).

Attention and feed-forward are zero and embeddings are one-hot, so the next token depends on the
last token only. A script is a chain of tokens, none used twice. The chat template ends the prompt
with the token that starts a chain, chosen by a word in the last message. So a real server runs its
tokenizer, sampler, tool parser and stream, and the answer is known.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path

TEXT = "Hello! I am a scripted model. Café ☕ 漢字 🙂 done."
THOUGHT = "Let me think about it."
ANSWER = "The answer is 42."
AFTER = "It is sunny in Paris."


def _tool_calls(*cities: str) -> str:
    form = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "%s"}}\n</tool_call>'
    return "\n".join(form % city for city in cities)


SCRIPTS: Mapping[str, str] = {
    "hello": TEXT,
    "after": AFTER,
    "tool": _tool_calls("Paris"),
    "two": _tool_calls("Rome", "Oslo"),
    "think": f"<think>\n{THOUGHT}\n</think>\n\n{ANSWER}",
}
"""The answer to each word with an exclamation mark, such as `tool!`. `loop!` never ends."""

_LOOP = ("xo ", "ox ")
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _BYTE = 1, 2, 3, 4, 6  # llama.cpp's token types
_U32, _I32, _F32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9  # GGUF's value types
_ALIGNED_BYTES = 32
_END = "<|im_end|>"
_PIECE_MIN_CHARS = 3

# Tools as in Hermes and reasoning as in Qwen: llama.cpp derives its parser from the template.
_TEMPLATE = """
{%- if tools %}{{- '<|im_start|>system\\nTools:\\n<tools>' }}
{%- for tool in tools %}{{- '\\n' + (tool | tojson) }}{%- endfor %}
{{- '\\n</tools>\\nA call is:\\n<tool_call>\\n{"name": <name>, "arguments": <object>}' }}
{{- '\\n</tool_call><|im_end|>\\n' }}{%- endif %}
{%- for message in messages %}
{%- if message.role == 'tool' %}
{{- '<|im_start|>user\\n<tool_response>\\n' + (message.content | string) + '\\n</tool_response>' }}
{%- else %}{{- '<|im_start|>' + message.role + '\\n' }}
{%- if message.reasoning_content %}
{{- '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' }}
{%- endif %}{{- message.content or '' }}
{%- for call in message.tool_calls or [] %}
{{- '\\n<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- (call.function.arguments | tojson) + '}\\n</tool_call>' }}
{%- endfor %}{%- endif %}{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}
{%- set last = messages[-1].content | string %}
{%- if messages[-1].role == 'tool' %}{{- '[[after]]' }}
{%- for %}
{%- else %}{{- '[[hello]]' }}{%- endif %}{%- endif %}
"""


def write_model(path: Path) -> None:
    """Write the model file (4 MB)."""
    names, kinds, after = _vocabulary()
    end = names.index(_END)
    # One dimension per token, rounded up to a head size that rope accepts.
    width = -(-len(names) // 32) * 32
    embedding, output = _zeros(len(names) * width), _zeros(len(names) * width)
    for token in range(len(names)):
        embedding[token * width + token] = 1.0
        output[after.get(token, end) * width + token] = 3.0
    tensors = _layers(width) | {
        "token_embd.weight": ((width, len(names)), embedding),
        "output.weight": ((width, len(names)), output),
    }
    path.write_bytes(_gguf(_metadata(names, kinds, width), tensors))


def _vocabulary() -> tuple[list[str], list[int], dict[int, int]]:
    """Return the tokens, their types, and the token that follows each."""
    names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581"]
    kinds = [_UNKNOWN, _CONTROL, _CONTROL, *[_BYTE] * 256, _NORMAL]
    starts = [f"[[{word}]]" for word in (*SCRIPTS, "loop")]
    names += ["<|im_start|>", _END, *starts]
    kinds += [_CONTROL] * (2 + len(starts))
    after: dict[int, int] = {}
    for word, text in SCRIPTS.items():
        last = names.index(f"[[{word}]]")
        for piece in _pieces(text, frozenset(names)):
            after[last] = last = len(names)
            names.append(piece)
    first, second = len(names), len(names) + 1
    names += _LOOP
    after |= {names.index("[[loop]]"): first, first: second, second: first}
    kinds += [_USER_DEFINED] * (len(names) - len(kinds))
    return names, kinds, after


def _pieces(text: str, used: frozenset[str]) -> list[str]:
    """Split a text into short pieces that are not used yet."""
    pieces: list[str] = []
    while text:
        known = used.union(pieces)
        ends = range(_PIECE_MIN_CHARS, len(text) + 1)
        end = next((end for end in ends if text[:end] not in known), None)
        if end is None:  # the rest is used already: append it to the last piece
            pieces[-1] += text
            break
        pieces.append(text[:end])
        text = text[end:]
    return pieces


def _template() -> str:
    words = [word for word in SCRIPTS if word not in {"hello", "after"}]
    choices = "".join(
        "{%%- elif '%s!' in last %%}{{- '[[%s]]' }}" % (word, word)  # noqa: UP031 - braces abound
        for word in (*words, "loop")
    )
    return _TEMPLATE.strip().replace("{%- for %}\n", choices)


# --- the file ------------------------------------------------------------------------------------


def _metadata(names: Sequence[str], kinds: Sequence[int], width: int) -> list[bytes]:
    heads = 4
    scores = [-100.0 if kind == _BYTE else 0.0 for kind in kinds]
    return [
        _entry("general.architecture", _STRING, _string("llama")),
        _entry("general.name", _STRING, _string("scripted")),
        *(
            _entry(f"llama.{name}", _U32, struct.pack("<I", number))
            for name, number in {
                "context_length": 8192,
                "embedding_length": width,
                "block_count": 1,
                "feed_forward_length": 32,
                "attention.head_count": heads,
                "attention.head_count_kv": 1,
                "rope.dimension_count": width // heads,
                "vocab_size": len(names),
            }.items()
        ),
        _entry("llama.attention.layer_norm_rms_epsilon", _F32, struct.pack("<f", 1e-6)),
        _entry("tokenizer.ggml.model", _STRING, _string("llama")),
        _list("tokenizer.ggml.tokens", _STRING, [_string(name) for name in names]),
        _list("tokenizer.ggml.scores", _F32, [struct.pack("<f", score) for score in scores]),
        _list("tokenizer.ggml.token_type", _I32, [struct.pack("<i", kind) for kind in kinds]),
        _entry("tokenizer.ggml.bos_token_id", _U32, struct.pack("<I", 1)),
        _entry("tokenizer.ggml.eos_token_id", _U32, struct.pack("<I", names.index(_END))),
        _entry("tokenizer.ggml.unknown_token_id", _U32, struct.pack("<I", 0)),
        _entry("tokenizer.ggml.add_space_prefix", _BOOL, b"\0"),
        _entry("tokenizer.chat_template", _STRING, _string(_template())),
    ]  # fmt: skip


Tensor = tuple[tuple[int, ...], "array[float]"]


def _layers(width: int) -> dict[str, Tensor]:
    """Return the one block of the network, which adds zero."""
    shapes = {
        "attn_q": (width, width),
        "attn_k": (width, width // 4),
        "attn_v": (width, width // 4),
        "attn_output": (width, width),
        "ffn_gate": (width, 32),
        "ffn_up": (width, 32),
        "ffn_down": (32, width),
    }
    zero = {
        f"blk.0.{n}.weight": (shape, _zeros(shape[0] * shape[1])) for n, shape in shapes.items()
    }
    ones = array("f", [1.0]) * width
    norms = ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm")
    return {**zero, **{f"{name}.weight": ((width,), ones) for name in norms}}


def _gguf(metadata: Sequence[bytes], tensors: Mapping[str, Tensor]) -> bytes:
    head = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(metadata)), *metadata]
    data: list[bytes] = []
    offset = 0
    for name, (shape, values) in tensors.items():
        dimensions = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        head.append(_string(name) + dimensions + struct.pack("<IQ", 0, offset))  # 0: 32-bit floats
        data.append(_padded(values.tobytes()))
        offset += len(data[-1])
    return _padded(b"".join(head)) + b"".join(data)


def _entry(name: str, kind: int, value: bytes) -> bytes:
    return _string(name) + struct.pack("<I", kind) + value


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _list(name: str, kind: int, values: Sequence[bytes]) -> bytes:
    return _entry(name, _ARRAY, struct.pack("<IQ", kind, len(values)) + b"".join(values))


def _zeros(count: int) -> array[float]:
    return array("f", bytes(4 * count))


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _ALIGNED_BYTES)
