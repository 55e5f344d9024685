"""Suggested are users without a label whom the model is unsure of, no two alike, the same for the same seed."""

import numpy as np
import pyarrow as pa

from ml.contracts.scores import Evidence
from ml.reviews.choose import CANDIDATES, choose_users, find_unsure
from ml.reviews.suggest import find_candidates
from tests.score_rows import score_rows


def crowd() -> tuple[np.ndarray, np.ndarray]:
    """200 users as good as the same, of whom the model is least sure, and twenty single ones of whom it is surer."""
    rng = np.random.default_rng(0)
    alike = np.full((200, 8), 0.5) + rng.normal(0, 1e-3, (200, 8))
    single = rng.normal(0, 3, (20, 8))
    return np.concatenate([alike, single]), np.append(np.full(200, 0.5), np.full(20, 0.4))


def test_a_batch_is_not_made_of_users_who_are_all_alike():
    inputs, probability = crowd()
    assert (find_unsure(probability, 10) < 200).all(), "the least certain alone are all alike"
    chosen = choose_users(inputs, probability, 10, seed=0)
    assert len(set(chosen)) == 10
    assert (chosen >= 200).sum() >= 7


def test_users_of_whom_the_model_is_sure_are_not_asked_about():
    rng = np.random.default_rng(1)
    probability = np.concatenate([rng.uniform(0.3, 0.7, 100), np.full(100, 1e-6)])
    assert (choose_users(rng.normal(size=(200, 8)), probability, 30, seed=0) < 100).all()


def test_the_same_seed_chooses_the_same_users_in_the_same_order():
    inputs, probability = crowd()
    first = choose_users(inputs, probability, 10, seed=3)
    assert choose_users(inputs, probability, 10, seed=3).tolist() == first.tolist()
    assert choose_users(inputs, probability, 10, seed=4).tolist() != first.tolist()


def test_where_there_are_fewer_users_than_asked_for_all_are_chosen_the_least_certain_first():
    assert choose_users(np.zeros((3, 8)), np.array([0.1, 0.5, 0.7]), 10, seed=0).tolist() == [1, 2, 0]
    assert choose_users(np.zeros((0, 8)), np.zeros(0), 10, seed=0).tolist() == []


def test_nobody_with_a_label_and_nobody_who_did_too_little_is_a_candidate():
    given = score_rows(
        ann=0.5, bob=0.5, cem=Evidence.TOO_UNLIKE, dora=Evidence.TOO_UNLIKE, eve=Evidence.TOO_SHORT, fay=0.1
    )
    candidates = find_candidates(given, pa.array(["bob", "dora", "nobody"]))
    assert candidates["user_id"].to_pylist() == ["cem", "ann", "fay"]
    assert find_candidates(given, given["user_id"].combine_chunks()).num_rows == 0


def test_of_many_users_the_least_certain_are_candidates():
    many = {f"u{number:05d}": number / (2 * CANDIDATES) for number in range(CANDIDATES + 10)}
    left_out = set(many) - set(find_candidates(score_rows(**many), pa.array([], pa.string()))["user_id"].to_pylist())
    assert left_out == {f"u{number:05d}" for number in range(10)}
