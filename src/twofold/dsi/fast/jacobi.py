"""Jacobi decoding of a row of codes: the same codes as one after the other, in fewer passes.

A pass computes a window of positions of every sample at once, from guesses of the codes in it. What
comes out for the first position is right; what comes out for another one is right if the guesses left of
it were. Guesses that come out as they went in are final, and so is the first that does not. A pass of a
few positions takes hardly longer than of one, because most of its time goes into reading the weights.
"""

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from twofold.dsi.choice import choose
from twofold.dsi.draw import draw, window_ends
from twofold.dsi.fast.float64 import ExactLogits
from twofold.dsi.fast.horizontal import HorizontalStack
from twofold.dsi.fast.pixelcnn import IncrementalPixelCnn
from twofold.dsi.options import SamplingOptions


class JacobiDecoder:
    """Decodes row after row of several samples.

    Args:
        network: with its features of all rows so far.
        exact: decides near ties.
        options: of the sampling.
        window: positions of each sample to be guessed in one pass.
        draft: the same network in a cheaper precision. It decodes all that is left of a row before
            ``network`` looks at it, so that most of the guesses are right.
    """

    def __init__(
        self,
        network: IncrementalPixelCnn,
        exact: ExactLogits,
        options: SamplingOptions,
        *,
        window: int,
        draft: HorizontalStack | None = None,
    ) -> None:
        self.network = network
        self.draft = draft
        self.exact = exact
        self.options = options
        self.window = window
        self.passes = 0
        samples, width, codes = network.samples, network.width, network.weights.codes
        device = network.horizontal.start.device
        self.logits = torch.zeros(samples * width, codes, device=device)
        # The column left of the first holds the number of no code.
        self.guesses = torch.full((samples, width + 1), codes, device=device)
        self.fixed = torch.zeros(samples * width, dtype=torch.bool, device=device)
        self.doubtful = torch.zeros(samples * width, dtype=torch.bool, device=device)
        self.noise = torch.zeros(samples * width, codes, dtype=torch.float64, device=device)
        self.start = np.zeros(samples, dtype=np.int64)

    def follow(self, codes: Int[Tensor, " w"]) -> None:
        """Compute the features of a row whose codes are all given."""
        self.guesses[:, 1:] = codes
        samples = torch.arange(self.network.samples, device=codes.device)
        columns = torch.arange(self.network.width, device=codes.device).expand(len(samples), -1)
        self.network.horizontal.features(self.guesses[:, :-1], samples, columns)
        if self.draft is not None:
            self.draft.borrow_row(self.network.horizontal)

    def decode(
        self,
        codes: Int[Tensor, "n r w"],
        noise: Float[Tensor, "n w k"],
        known: Bool[Tensor, " w"],
        *,
        kept: Int[Tensor, " w"],
    ) -> Float[Tensor, "n w k"]:
        """Decode the row that the network has begun.

        Args:
            codes: of the rows so far and this one, which is filled.
            noise: of the row.
            known: columns whose code is given.
            kept: those codes.

        Returns:
            The logits of the row's columns; overwritten by the next row.
        """
        samples, width = len(codes), len(known)
        self.noise = noise.flatten(0, 1)
        # The row above says what is likely here, this row's noise what comes of it.
        likely = (self.logits + self.options.temperature * self.noise).argmax(dim=-1)
        self.guesses[:, 1:] = torch.where(known, kept, likely.view(samples, -1))
        self.fixed = known.repeat(samples)
        self.start[:] = 0
        ends = window_ends(known.cpu().numpy(), self.window)
        if self.draft is not None:
            self.draft.borrow_row(self.network.horizontal)
        while True:
            self._advance(ends)
            codes[:, -1] = self.guesses[:, 1:]
            if not self._settle(codes):
                return self.logits.view(samples, width, -1)

    def _advance(self, ends: npt.NDArray[np.int64]) -> None:
        """Decode up to the end of the row."""
        network, width = self.network.horizontal, self.network.width
        while (self.start < width).any():
            if self.draft is None:
                self.start = self._pass(network, self.start, ends)
            else:
                self._guess(self.draft, ends)
                self.start = self._pass(network, self.start, np.full(width, width))

    def _guess(self, draft: HorizontalStack, ends: npt.NDArray[np.int64]) -> None:
        """Decode all that is left of the row as the draft sees it; its attention looks once."""
        start, width = self.start, draft.width
        if start.any():
            draft.borrow_found(self.network.horizontal)
        else:
            start = self._pass(draft, start, np.full(width, width))
        while (start < width).any():
            start = self._pass(draft, start, ends, look=False)

    def _pass(
        self,
        stack: HorizontalStack,
        starts: npt.NDArray[np.int64],
        ends: npt.NDArray[np.int64],
        *,
        look: bool = True,
    ) -> npt.NDArray[np.int64]:
        """Compute a window of every sample that has not reached the end of the row; how far each got."""
        width, device = stack.width, self.logits.device
        active = np.flatnonzero(starts < width)
        start = starts[active]
        span = int((ends[start] - start).max())
        # All windows are as wide as the widest; near the end of the row they begin earlier instead.
        first = np.minimum(start, width - span)
        columns = torch.from_numpy(first[:, None] + np.arange(span)).to(device)
        samples = torch.from_numpy(active).to(device)
        left = (columns + samples[:, None] * (width + 1)).view(-1)
        flat = (columns + samples[:, None] * width).view(-1)
        done = (columns < torch.from_numpy(start).to(device)[:, None]).view(-1)
        guesses = self.guesses.view(-1)
        logits = stack.window(guesses[left].view(columns.shape), samples, columns, look=look)
        logits = logits.flatten(0, 1)
        choice = choose(logits, self.noise[flat], self.options)
        before = guesses[left + 1]
        after = torch.where(self.fixed[flat] | done, before, choice.codes)
        guesses[left + 1] = after
        if stack is not self.draft:
            self.logits[flat] = logits
            self.doubtful[flat] = ~choice.certain | (after != choice.codes)
            self.passes += 1
        right = (before == after).view(columns.shape).long().cumprod(dim=1)[:, :-1].sum(dim=1) + 1
        reached = starts.copy()
        reached[active] = np.maximum(start, first + right.cpu().numpy())
        return reached

    def _settle(self, codes: Int[Tensor, "n r w"]) -> bool:
        """Decide near ties exactly; tells whether that sends any sample back."""
        width = self.network.width
        open_ties = (self.doubtful & ~self.fixed).view(-1, width)
        for sample in open_ties.any(dim=1).nonzero()[:, 0].tolist():
            logits = self.exact.last_row(codes[sample]).cpu().numpy()
            for column in open_ties[sample].nonzero()[:, 0].tolist():
                place = sample * width + column
                self.fixed[place] = True
                noise = self.noise[place : place + 1].cpu().numpy()
                code = int(draw(logits[column : column + 1], noise, self.options)[0])
                if code != codes[sample, -1, column]:
                    codes[sample, -1, column] = self.guesses[sample, column + 1] = code
                    self.start[sample] = column + 1  # what comes after it depends on it
                    break
        return bool((self.start < width).any())
