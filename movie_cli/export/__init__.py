"""From a checkpoint to graphs that run without torch: ONNX, quantization, Qualcomm's HTP, and the proof of each."""
