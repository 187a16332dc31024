"""Networks as files that run without PyTorch, checked before they are kept."""
