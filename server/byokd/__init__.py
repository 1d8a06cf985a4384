"""byokd: a local daemon that keeps a person's LLM API keys encrypted and lends them to editors.

Knows only its own version. Must not import anything: this module is on the path to `initialize`.
"""

__version__ = "0.1.0"
