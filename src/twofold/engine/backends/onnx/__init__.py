"""Networks that ``twofold export`` wrote, run by onnxruntime."""
