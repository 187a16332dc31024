"""What runs our networks: PyTorch or ONNX Runtime."""
