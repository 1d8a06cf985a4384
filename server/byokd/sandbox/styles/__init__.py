"""The wire formats from the provider's side, one module each.

They share no code with our encoders and decoders, so that a mistake is not made on both sides.
"""
