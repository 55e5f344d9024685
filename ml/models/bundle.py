"""The names of a model's files in a bundle, and of what exported ones take and give beside the model's own inputs."""

EVERY_STEP, LAST_STEP = "model.onnx", "model_last.onnx"
TREES, BLEND = "trees.txt", "blend.json"
PLACES, LOGITS = "places", "logits"
