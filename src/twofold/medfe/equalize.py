"""Feature equalization: channel reweighing and bilateral propagation activation."""

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from twofold.medfe.config import MedfeConfig
from twofold.medfe.convs import ConvNormAct

Features = Float[Tensor, "b c h w"]


class FeatureEqualization(nn.Module):
    """Make structure and texture agree, channel by channel and place by place [MEDFE: feature equalization].

    ``equalize(x) = propagate(reweigh(x))``.
    """

    def __init__(self, config: MedfeConfig) -> None:
        super().__init__()
        channels = 2 * config.fill_channels
        self.reweigh = ChannelReweighing(channels, config.reduction) if config.channel_reweighing else None
        self.propagate: nn.Module | None = None
        if config.non_local:
            self.propagate = NonLocalBlock(channels)
        elif config.spatial_propagation or config.range_propagation:
            self.propagate = BilateralPropagation(config)

    def forward(self, features: Features) -> Features:
        """Reweigh the channels, then propagate over space and similarity."""
        if self.reweigh is not None:
            features = self.reweigh(features)
        return features if self.propagate is None else self.propagate(features)


class ChannelReweighing(nn.Module):
    """Squeeze-and-excitation: one weight in [0, 1] per channel and picture [MEDFE: channel equalization].

    ``reweigh(x)_c = x_c sigmoid(W2 relu(W1 mean(x)))_c``.

    Args:
        channels: channels of the features.
        reduction: the hidden layer has ``channels // reduction`` channels.
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, max(1, channels // reduction), kernel_size=1)
        self.excite = nn.Conv2d(max(1, channels // reduction), channels, kernel_size=1)

    def forward(self, features: Features) -> Features:
        """Scale every channel by its weight."""
        average = reduce(features, "b c h w -> b c 1 1", "mean")
        return features * torch.sigmoid(self.excite(F.relu(self.squeeze(average))))


class BilateralPropagation(nn.Module):
    """Combine spatial and range propagation by a 1x1 convolution [MEDFE: bilateral propagation].

    ``propagate(x) = q([ys; yr])``.
    """

    def __init__(self, config: MedfeConfig) -> None:
        super().__init__()
        channels = 2 * config.fill_channels
        self.sigma = config.spatial_sigma
        self.window = config.range_window
        self.spatial = config.spatial_propagation
        self.range = config.range_propagation
        self.combine = ConvNormAct((self.spatial + self.range) * channels, channels, 1, config.norm)

    def forward(self, features: Features) -> Features:
        """Propagate every feature over its surroundings."""
        propagated = []
        if self.spatial:
            propagated.append(spatial_propagation(features, self.sigma))
        if self.range:
            propagated.append(range_propagation(features, self.window))
        return self.combine(torch.cat(propagated, dim=1))


def gaussian_rows(size: int, sigma: float, like: Tensor) -> Float[Tensor, "size size"]:
    """Gaussian weights between all positions of a line; every row sums to 1.

    Weights below 1e-20 are zero: they change no float32 sum, and the denormal numbers among them are
    slow on most CPUs.
    """
    position = torch.arange(size, device=like.device, dtype=torch.float32)
    distance = position[:, None] - position[None, :]
    weight = torch.exp(-(distance**2) / (2 * sigma**2))
    weight = torch.where(weight < 1e-20, torch.zeros_like(weight), weight)
    return weight / weight.sum(dim=1, keepdim=True)


def spatial_propagation(features: Features, sigma: float) -> Features:
    """Average all features, weighted by a Gaussian of their distance [MEDFE: spatial propagation].

    ``ys_i = sum_j g(i - j) x_j / sum_j g(i - j), g(d) = exp(-d^2 / (2 sigma^2))``.

    The Gaussian over the plane is the product of one over rows and one over columns, and so is its
    normalisation at the border: two small matrix products replace the (h w) x (h w) one.

    Args:
        features: any real values.
        sigma: standard deviation in feature pixels; above 0.
    """
    height, width = features.shape[-2:]
    rows = gaussian_rows(height, sigma, features).to(features.dtype)
    columns = gaussian_rows(width, sigma, features).to(features.dtype)
    return torch.matmul(torch.matmul(rows, features), columns.T)


def range_propagation(features: Features, window: int) -> Features:
    """Average a window's features, weighted by their dot product with its centre [MEDFE: range propagation].

    ``yr_i = 1 / (C k^2) sum_{j in v(i)} (x_i^T x_j) x_j``.

    The normaliser is the number of terms: channels of the dot product times positions of the window.
    Positions outside the map are zero.

    Args:
        features: any real values.
        window: side of the square neighbourhood in feature pixels; odd.

    Raises:
        ValueError: if ``window`` is even or below 1.
    """
    total = torch.zeros_like(features)
    for neighbour in neighbours(features, window):
        similarity = (features * neighbour).mean(dim=1, keepdim=True)
        total = total + similarity * neighbour
    return total / window**2


def neighbours(features: Features, window: int) -> list[Features]:
    """The window's positions as shifted copies of the features, row by row, zero outside the map.

    Raises:
        ValueError: if ``window`` is even or below 1.
    """
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window must be an odd number of feature pixels, got {window}")
    height, width = features.shape[-2:]
    reach = window // 2
    padded = F.pad(features, (reach, reach, reach, reach))
    return [
        padded[:, :, row : row + height, column : column + width]
        for row in range(window)
        for column in range(window)
    ]


class NonLocalBlock(nn.Module):
    """Embedded-Gaussian attention over all positions, added to its input: the paper's ablation.

    Args:
        channels: channels of the features; the embeddings have half of them.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // 2)
        self.query = nn.Conv2d(channels, inner, kernel_size=1)
        self.key = nn.Conv2d(channels, inner, kernel_size=1)
        self.value = nn.Conv2d(channels, inner, kernel_size=1)
        self.project = nn.Conv2d(inner, channels, kernel_size=1)

    def forward(self, features: Features) -> Features:
        """Attend from every position to every other."""
        height, width = features.shape[-2:]
        query, key, value = (
            rearrange(embed(features), "b c h w -> b 1 (h w) c")  # one head
            for embed in (self.query, self.key, self.value)
        )
        attended = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        attended = rearrange(attended, "b 1 (h w) c -> b c h w", h=height, w=width)
        return features + self.project(attended)
