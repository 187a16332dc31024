"""Frozen image features: VGG-16 for losses, and the LPIPS distance on VGG-16 or AlexNet."""
