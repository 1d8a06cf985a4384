"""What must be true on disk.

The keepers do not know each other. A service opens one transaction and calls first the vault, then
the audit trail, so that a change and its entry commit together or not at all:

    vault = Vault(places, sources_of(places), clock=now_ms)
    audit = Audit(places.state)
    await vault.unlock()                                     # or initialize("keyFile")

    def store(tx: VaultTx) -> KeyRow:
        row = keys.put(tx, account, new_key, at=now_ms())
        audit.append(tx, account, "key.created", actor=actor, at=now_ms(), key_id=row.key_id)
        return row

    row = await vault.transaction(store)
    opened = await vault.read(lambda tx: keys.open_key(tx, account, row.key_id))
    opened.fields["apiKey"]                                  # a Secret

A transaction that changed a key in a way that matters and did not append an entry is refused.
"""
