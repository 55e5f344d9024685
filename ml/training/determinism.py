"""The same seed gives the same weights, bit for bit, on the same machine."""

import keras


def seed_everything(seed: int) -> None:
    """Seeds Python, numpy and the backend, and asks TensorFlow for deterministic operations; JAX has no others."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()
