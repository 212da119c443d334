import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from anysense.representations.evaluation.linear import fit_linear_classifier


def overlapping(seed: int = 0, samples: int = 90) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, samples)
    latents = rng.normal(size=(samples, 4)) * [1, 5, 0.1, 2] + np.eye(3, 4)[labels] + [0, 100, 0, -3]
    return torch.from_numpy(latents), torch.from_numpy(labels * 10 - 5)


def test_weights_equal_those_of_scikit_learn():
    latents, labels = overlapping()
    classifier = fit_linear_classifier(latents, labels, penalty=0.01)
    z = latents.numpy()
    mean, spread = z.mean(axis=0), z.std(axis=0)
    model = LogisticRegression(C=1 / (0.01 * len(z)), tol=1e-10, max_iter=10_000).fit((z - mean) / spread, labels)
    np.testing.assert_allclose(classifier.weight.numpy(), model.coef_.T / spread[:, None], rtol=1e-4, atol=1e-5)
    expected = model.predict_log_proba((z - mean) / spread)
    np.testing.assert_allclose(classifier.logits(latents).log_softmax(dim=1).numpy(), expected, atol=1e-5)
    assert classifier.predict(latents).tolist() == model.predict((z - mean) / spread).tolist()
    assert classifier.classes.tolist() == [-5, 5, 15]


def test_separable_classes_are_separated_and_constant_features_ignored():
    latents = torch.tensor([[0.0, 7.0], [1.0, 7.0], [4.0, 7.0], [5.0, 7.0]])
    classifier = fit_linear_classifier(latents, torch.tensor([1, 1, 0, 0]))
    assert classifier.predict(torch.tensor([[2.4, 7.0], [2.6, -900.0]])).tolist() == [1, 0]
    assert classifier.weight[1].tolist() == [0.0, 0.0]


def test_same_result_every_time_also_in_inference_mode():
    latents, labels = overlapping()
    state = torch.random.get_rng_state()
    first = fit_linear_classifier(latents, labels)
    with torch.inference_mode():
        second = fit_linear_classifier(latents * 1, labels)
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(first.bias, second.bias)
    assert not first.weight.requires_grad
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y: fit_linear_classifier(x, y[:9]), r"`labels` must hold one integer for each of the 90 rows"),
        (lambda x, y: fit_linear_classifier(x, y.double()), r"`labels`.*float64"),
        (lambda x, y: fit_linear_classifier(x, 0 * y + 4), r"`labels` must hold at least two classes, got only \[4\]"),
        (lambda x, y: fit_linear_classifier(x, y, penalty=0.0), r"`penalty` and `max_steps` must be positive, got 0.0"),
        (lambda x, y: fit_linear_classifier(x, y, max_steps=0), r"`max_steps` must be positive.*and 0"),
        (lambda x, y: fit_linear_classifier(x, y).predict(x[:, :3]), r"`latents` must have 4 features.*got 3"),
    ],
)
def test_wrong_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(*overlapping())
