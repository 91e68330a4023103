"""Relatives of the VAE, one file each: inference without an encoder, and the auto-encoder family."""
