import torch

from mtlsr.objective.balancing.gradients import (
    delivered,
    feature_gramian,
    gradients,
    jacobian,
    leaves,
    split,
)


def test_a_delivered_scalar_hands_over_the_given_gradients():
    a, b = torch.ones(2, 3, requires_grad=True), torch.ones(4, requires_grad=True)
    given = [torch.arange(6.0).view(2, 3), torch.arange(4.0)]
    scalar = delivered(torch.tensor(5.0), [a, b], given)
    assert scalar.item() == 5
    (scalar / 4).backward()
    (scalar / 4).backward()  # as accumulation does
    assert torch.equal(a.grad, given[0] / 2)
    assert torch.equal(b.grad, given[1] / 2)


def test_a_delivered_gradient_goes_on_through_the_graph_in_its_own_precision():
    a = torch.ones(3, requires_grad=True)
    shared = (2 * a).bfloat16()
    given = torch.tensor([1.0, 2.0, 3.0], dtype=torch.bfloat16)
    delivered(torch.tensor(0.0), [shared], [given]).backward()
    assert a.grad.tolist() == [2, 4, 6]


def test_rows_and_their_split_are_inverse():
    a, b = torch.ones(2, 2, requires_grad=True), torch.ones(3, requires_grad=True)
    losses = [(a * torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum(), b.square().sum() + a[0, 0]]
    found = gradients(losses, [a, b])
    assert found[0][1] is None
    rows = jacobian(found, [a, b])
    assert rows.tolist() == [[1, 2, 3, 4, 0, 0, 0], [1, 0, 0, 0, 2, 2, 2]]
    first, second = split(rows[1], [a, b])
    assert torch.equal(first, found[1][0])
    assert torch.equal(second, found[1][1])
    assert a.grad is None


def test_the_gramian_is_that_of_the_gradients():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    shared = (x.square(), 3 * x)
    losses = [shared[0].sum(), (shared[0] * shared[1]).sum(), torch.ones(())]
    # Gradients at the maps: (1, 1 | 0, 0), (3, 6 | 1, 4), none.
    assert feature_gramian(losses, shared).tolist() == [[2, 9, 0], [9, 62, 0], [0, 0, 0]]


def test_leaves_are_found_up_to_what_is_barred():
    a, b, c = (torch.ones(2, requires_grad=True) for _ in range(3))
    shared = a * 2
    loss = (shared * b).sum() + c.sum()
    assert leaves([loss]) == {a, b, c}
    assert leaves([shared]) == {a}
    assert leaves([loss], barred=[shared]) == {b, c}
    assert leaves([loss + a.sum()], barred=[shared]) == {a, b, c}
    assert leaves([torch.ones(2)]) == set()
