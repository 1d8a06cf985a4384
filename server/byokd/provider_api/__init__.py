"""Requests and readers of provider APIs that are not chats: model lists, model facts, probes."""
