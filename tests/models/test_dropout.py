import pytest
import torch

from cinegrain.models.dropout import ByteDropout


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_a_share_becomes_zero_and_the_mean_stays(share: float) -> None:
    torch.manual_seed(0)
    x = torch.randn(1000, 401)  # not a multiple of eight
    out = ByteDropout(share)(x)
    kept = out != 0
    # 401,000 draws: a standard deviation of the share is below 0.0008, a step of 1/256 rounds by at most 0.002.
    assert float((~kept).float().mean()) == pytest.approx(share, abs=0.005)
    ratio = (out / x)[kept]
    torch.testing.assert_close(ratio, ratio[0].expand_as(ratio))
    assert float(ratio[0] * kept.float().mean()) == pytest.approx(1, abs=0.003)


def test_neighbours_fall_independently() -> None:
    torch.manual_seed(0)
    kept = (ByteDropout(0.5)(torch.ones(1, 400_000)) != 0).float()[0]
    for step in (1, 2, 4, 7, 8, 64):
        both = (kept[:-step] * kept[step:]).mean()
        assert float(both) == pytest.approx(0.25, abs=0.005), step  # five standard deviations are 0.0034


def test_same_seed_same_masks_and_none_when_not_training() -> None:
    layer, x = ByteDropout(0.4), torch.ones(3, 5)
    torch.manual_seed(1)
    first = layer(x)
    torch.manual_seed(1)
    assert layer(x).equal(first)
    assert layer.eval()(x) is x
    assert ByteDropout(0.0)(x) is x


def test_gradient_flows_where_values_stay() -> None:
    x = torch.ones(50, requires_grad=True)
    out = ByteDropout(0.5)(x)
    out.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, out.detach())
