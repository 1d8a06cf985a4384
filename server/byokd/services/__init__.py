"""The application services: keys, chats, models, the vault and the audit log."""
