"""The names of an exported model's files, and of what they take and give beside the model's own inputs."""

EVERY_STEP, LAST_STEP = "model.onnx", "model_last.onnx"
PLACES, LOGITS = "places", "logits"
