"""Requests and readers of provider APIs that are not chats."""
