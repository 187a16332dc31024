"""DSI: a hierarchical VQ-VAE, a structure sampler and a texture generator (CVPR 2021)."""
