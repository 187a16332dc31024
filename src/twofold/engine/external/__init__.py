"""Inpainters of others: classical methods, any command, model files of LaMa and MI-GAN."""
