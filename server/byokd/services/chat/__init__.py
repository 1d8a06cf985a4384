"""Sends chats."""
