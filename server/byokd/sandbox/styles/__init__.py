"""The wire formats from the provider's side, each in a module of its own.

Knows no provider. They are written from documentation and recordings, not from our own encoders and
decoders: a simulator that shares our reading of a format would prove nothing.
"""
