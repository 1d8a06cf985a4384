"""The wire formats from the provider's side, one module each.

They are written from documentation and recordings and share no code with our encoders and decoders,
so that the same mistake is not made on both sides.
"""
