"""The wire contract: params, results, events, errors and the method table.

Import from the submodules: this file stays empty so that a type is built when it is first used.
"""
