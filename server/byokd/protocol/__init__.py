"""The contract and only that: params, results, events, errors and the method table.

Knows the words that travel. Must not import anything of the house but the other ground modules.
Import from the submodules: this door stays empty so that none of them is built before it is used.
"""
