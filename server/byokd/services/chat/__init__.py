"""Sends chats: deadlines, retries, fallback after a refusal, redaction, cost."""
