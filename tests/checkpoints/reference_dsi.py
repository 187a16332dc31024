"""The official DSI networks written down literally from their specification, in numpy on [b h w c].

Slow, and independent of the package: variables are taken by the numbers that TensorFlow gave them as the
graph was built, kernels are read in TensorFlow's layout, convolutions are sums over their taps.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

Array = np.ndarray


class ReferenceDsi:
    """Networks straight from variables by name; sizes are those of the variables."""

    def __init__(self, variables: dict[str, Array]) -> None:
        self.variables = variables
        self.used: set[str] = set()

    def _next(self, counts: Counter[str], kind: str, *leaves: str) -> list[Array]:
        names = [f"{kind}_{counts[kind]}/{leaf}" for leaf in leaves]
        counts[kind] += 1
        self.used |= set(names)
        return [self.variables[name] for name in names]

    # --- VQ-VAE ---

    def encode(self, x: Array, blocks: int) -> dict[str, Array]:
        """enc_t, quant_t, idx_t, enc_b, quant_b, idx_b."""
        n: Counter[str] = Counter()

        def conv(x: Array, stride: int = 1) -> Array:
            w, b = self._next(n, "vq_encoder/conv2d", "W", "b")
            return conv2d(x, w, stride) + b

        def residual(x: Array) -> Array:
            for _ in range(blocks):
                x = x + conv(elu(conv(elu(x))))
            return elu(x)

        def quantize(x: Array) -> tuple[Array, Array]:
            (codebook,) = self._next(n, "vq_encoder/vector_quantize", "embedding")
            distance = (x**2).sum(-1, keepdims=True) - 2 * x @ codebook + (codebook**2).sum(0)
            index = distance.argmin(-1)
            return codebook.T[index], index

        enc_b = residual(conv(elu(conv(elu(conv(x, 2)), 2))))
        enc_t = conv(residual(conv(elu(conv(enc_b, 2)))))
        quant_t, idx_t = quantize(enc_t)
        w, b = self._next(n, "vq_encoder/deconv2d", "W", "b")
        dec_t = deconv2d(residual(conv(quant_t)), w) + b
        enc_b = conv(np.concatenate([enc_b, dec_t], -1))
        quant_b, idx_b = quantize(enc_b)
        return {
            "enc_t": enc_t,
            "quant_t": quant_t,
            "idx_t": idx_t,
            "enc_b": enc_b,
            "quant_b": quant_b,
            "idx_b": idx_b,
        }

    def decode(self, quant_t: Array, quant_b: Array, blocks: int) -> Array:
        n: Counter[str] = Counter()

        def conv(x: Array) -> Array:
            w, b = self._next(n, "vq_decoder/conv2d", "W", "b")
            return conv2d(x, w) + b

        def deconv(x: Array) -> Array:
            w, b = self._next(n, "vq_decoder/deconv2d", "W", "b")
            return deconv2d(x, w) + b

        x = conv(np.concatenate([quant_b, deconv(quant_t)], -1))
        for _ in range(blocks):
            x = x + conv(elu(conv(elu(x))))
        return deconv(elu(deconv(elu(x))))

    # --- structure generator ---

    def condition(self, masked: Array, mask: Array, dilations: tuple[int, ...]) -> Array:
        n: Counter[str] = Counter()

        def conv(x: Array, stride: int = 1, dilation: int = 1) -> Array:
            v, g, b = self._next(n, "structure_condition/wnconv2d", "V", "g", "b")
            return conv2d(x, g * v / np.sqrt((v**2).sum((0, 1, 2))), stride, dilation) + b

        def block(x: Array, dilation: int = 1) -> Array:
            return x + gate(conv(concat_elu(conv(concat_elu(x), 1, dilation))))

        x = block(conv(np.concatenate([masked, np.ones_like(mask), mask], -1)))
        x = block(conv(x, 2))
        x = block(conv(x, 2))
        x = conv(x, 2)
        for dilation in dilations:
            x = block(x, dilation)
        return x

    def pixelcnn(self, e: Array, h: Array, groups: int, layers: int, heads: int, out_layers: int) -> Array:
        n: Counter[str] = Counter()

        def conv(x: Array, down: bool) -> Array:
            """Down-shifted (own row and above, both sides) or down-right-shifted (left and above)."""
            v, g, b = self._next(n, "structure_pixelcnn/wnconv2d", "V", "g", "b")
            rows, columns = v.shape[:2]
            sides = ((columns - 1) // 2,) * 2 if down else (columns - 1, 0)
            padded = np.pad(x, ((0, 0), (rows - 1, 0), sides, (0, 0)))
            return taps(padded, g * v / np.sqrt((v**2).sum((0, 1, 2)))) + b

        def nin(x: Array) -> Array:
            v, g, b = self._next(n, "structure_pixelcnn/wndense", "V", "g", "b")
            return x @ v * (g / np.sqrt((v**2).sum(0))) + b

        def attention(x: Array) -> Array:
            _, rows, columns, _ = x.shape
            earlier = np.tri(rows * columns, k=-1, dtype=x.dtype)
            found = []
            for _ in range(heads):
                q, k, v = (nin(x).reshape(len(x), rows * columns, -1) for _ in range(3))
                dot = q @ k.transpose(0, 2, 1) / np.sqrt(np.float32(q.shape[-1])) - (1 - earlier) * 1e10
                weight = np.exp(dot - dot.max(-1, keepdims=True)) * earlier
                weight = weight / (weight.sum(-1, keepdims=True) + 1e-10)
                found.append((weight @ v).reshape(len(x), rows, columns, -1))
            return x + nin(np.concatenate(found, -1))

        def block(x: Array, a: Array | None, down: bool, attend: bool = False) -> Array:
            c = conv(concat_elu(x), down)
            if a is not None:
                c = c + nin(concat_elu(a))
            c = conv(concat_elu(c), down)
            c = gate(c + nin(concat_elu(h)))
            return x + (attention(c) if attend else c)

        x = np.concatenate([e, np.ones_like(e[..., :1])], -1)
        u = down_shift(conv(x, True))
        ul = down_shift(conv(x, True))
        ul = ul + right_shift(conv(x, False))
        for _ in range(groups):
            for layer in range(layers):
                u = block(u, None, True)
                ul = block(ul, u, False, attend=layer == layers - 1)
        for _ in range(out_layers):
            ul = ul + nin(elu(ul))
        return nin(elu(ul))

    # --- texture generator and discriminator ---

    def texture(self, masked: Array, mask: Array, s: Array, scale: float = 50.0) -> Array:
        n: Counter[str] = Counter()

        def conv(x: Array, stride: int = 1, dilation: int = 1) -> Array:
            w, b = self._next(n, "texture_generator/gated_conv2d", "W", "b")
            return elu_gate(conv2d(x, w, stride, dilation) + b)

        def deconv(x: Array) -> Array:
            w, b = self._next(n, "texture_generator/gated_deconv2d", "W", "b")
            return elu_gate(conv2d(x.repeat(2, 1).repeat(2, 2), w) + b)

        pl1 = conv(conv(conv(np.concatenate([masked, np.ones_like(mask), mask], -1)), 2))
        x = conv(pl1, 2)
        x_s = deconv(conv(conv(s)))
        x = conv(conv(np.concatenate([x, x_s], -1)))
        for dilation in (2, 4, 8, 16):
            x = conv(x, 1, dilation)
        pl1_att, pl2_att = attention_transfer(s, pl1, x, scale)
        x = conv(conv(x))
        x = deconv(conv(np.concatenate([x, pl2_att], -1)))
        x = conv(deconv(conv(np.concatenate([x, pl1_att], -1))))
        w, b = self._next(n, "texture_generator/conv2d", "W", "b")
        return np.tanh(conv2d(x, w) + b)

    def discriminate(self, image: Array, mask: Array, layers: int) -> Array:
        n: Counter[str] = Counter()
        x = np.concatenate([image, mask], -1)
        for _ in range(layers):
            w, u, b = self._next(n, "texture_discriminator/snconv2d", "W", "u", "b")
            matrix = w.reshape(-1, w.shape[-1])
            v = unit(u @ matrix.T)
            sigma = v @ matrix @ unit(v @ matrix).T
            x = conv2d(x, w / sigma, 2) + b
            x = np.where(x > 0, x, np.float32(0.2) * x)
        return x.reshape(len(x), -1)


def taps(padded: Array, kernel: Array, stride: int = 1, dilation: int = 1) -> Array:
    """A VALID convolution with [kh kw in out], tap by tap."""
    rows, columns = kernel.shape[:2]
    height = (padded.shape[1] - (rows - 1) * dilation - 1) // stride + 1
    width = (padded.shape[2] - (columns - 1) * dilation - 1) // stride + 1
    out = 0
    for row in range(rows):
        for column in range(columns):
            top, left = row * dilation, column * dilation
            seen = padded[:, top : top + (height - 1) * stride + 1 : stride]
            seen = seen[:, :, left : left + (width - 1) * stride + 1 : stride]
            out = out + seen @ kernel[row, column]
    return out


def conv2d(x: Array, kernel: Array, stride: int = 1, dilation: int = 1) -> Array:
    """TensorFlow's SAME: an odd number of zeros puts the larger half behind."""
    pads = []
    for size, extent in zip(x.shape[1:3], kernel.shape[:2], strict=True):
        total = max((-(-size // stride) - 1) * stride + (extent - 1) * dilation + 1 - size, 0)
        pads.append((total // 2, total - total // 2))
    return taps(np.pad(x, ((0, 0), *pads, (0, 0))), kernel, stride, dilation)


def deconv2d(x: Array, kernel: Array) -> Array:
    """The transpose of a SAME 4x4 convolution of stride 2, [4 4 out in]: x[i] goes to 2i - 1 .. 2i + 2."""
    b, height, width, _ = x.shape
    out = np.zeros((b, 2 * height + 2, 2 * width + 2, kernel.shape[2]), x.dtype)
    for row in range(4):
        for column in range(4):
            out[:, row : row + 2 * height : 2, column : column + 2 * width : 2] += x @ kernel[row, column].T
    return out[:, 1:-1, 1:-1]


def attention_transfer(s: Array, pl1: Array, pl2: Array, scale: float) -> tuple[Array, Array]:
    """Take features from where the structure is alike; one picture."""
    _, rows, columns, _ = s.shape
    padded = np.pad(s[0], ((1, 1), (1, 1), (0, 0)))
    patches = np.stack(
        [padded[i : i + 3, j : j + 3].reshape(-1) for i in range(rows) for j in range(columns)]
    )
    squares = (patches**2).sum(-1)
    distance = squares[:, None] + squares[None] - 2 * patches @ patches.T
    mean, std = distance.mean(1, keepdims=True), distance.std(1, keepdims=True)
    score = diagonal_sum(-np.tanh((distance - mean) / std))
    axes = (rows, columns, rows, columns)
    score = score.reshape(axes).transpose(1, 0, 3, 2).reshape(rows * columns, -1)
    score = diagonal_sum(score).reshape(columns, rows, columns, rows).transpose(1, 0, 3, 2)
    score = scale * score.reshape(rows * columns, -1)
    weight = np.exp(score - score.max(1, keepdims=True))
    weight = weight / weight.sum(1, keepdims=True)
    taken = []
    for features in (pl1, pl2):
        side, channels = features.shape[1] // rows, features.shape[-1]
        cells = features[0].reshape(rows, side, columns, side, channels).transpose(0, 2, 1, 3, 4)
        mixed = (weight @ cells.reshape(rows * columns, -1)).reshape(rows, columns, side, side, channels)
        taken.append(mixed.transpose(0, 2, 1, 3, 4).reshape(features.shape))
    return taken[0], taken[1]


def diagonal_sum(score: Array) -> Array:
    """Convolve with the 3x3 identity."""
    out = score.copy()
    out[1:, 1:] += score[:-1, :-1]
    out[:-1, :-1] += score[1:, 1:]
    return out


def down_shift(x: Array) -> Array:
    return np.pad(x, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, :-1]


def right_shift(x: Array) -> Array:
    return np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 0)))[:, :, :-1]


def elu(x: Array) -> Array:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def concat_elu(x: Array) -> Array:
    return elu(np.concatenate([x, -x], -1))


def sigmoid(x: Array) -> Array:
    return np.float32(0.5) * (np.tanh(np.float32(0.5) * x) + 1)


def gate(x: Array) -> Array:
    a, b = np.split(x, 2, -1)
    return a * sigmoid(b)


def elu_gate(x: Array) -> Array:
    a, b = np.split(x, 2, -1)
    return elu(a) * sigmoid(b)


def unit(x: Array) -> Array:
    return x / (np.sqrt((x**2).sum()) + 1e-12)
