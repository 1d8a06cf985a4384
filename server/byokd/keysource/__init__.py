"""Where master keys come from: the OS keyring, key files, passphrases and recovery codes."""
