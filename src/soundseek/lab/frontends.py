"""Front-ends in torch: the same `FrontEndSpec` as the runtime's NumPy, in batches on any device."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.audio.frontends import FrontEndSpec, analysis_window, mel_weights
from soundseek.errors import AudioError


class FrontEnd(nn.Module):
    """Waveforms float32 `[batch, samples]` → features `[batch, frames, bands]`.

    Agrees with `soundseek.audio.frontends.features` within float32 rounding; the tables are
    buffers outside the state, so that checkpoints do not carry them.
    """

    def __init__(self, spec: FrontEndSpec) -> None:
        super().__init__()
        self.spec = spec
        self.register_buffer("window", torch.tensor(analysis_window(spec)), persistent=False)
        self.register_buffer("weights", torch.tensor(mel_weights(spec)), persistent=False)

    window: Tensor
    weights: Tensor

    def forward(self, waveforms: Tensor) -> Tensor:
        if waveforms.ndim != 2:
            raise AudioError(f"waveforms of shape {tuple(waveforms.shape)}, not [batch, samples]")
        spec = self.spec
        spectrum = torch.fft.rfft(self._frames(waveforms) * self.window, n=spec.fft_size)
        strength = spectrum.real.square() + spectrum.imag.square()
        if spec.spectrum == "magnitude":
            strength = strength.sqrt()
        return self._compressed(strength @ self.weights)

    def _frames(self, waveforms: Tensor) -> Tensor:
        spec = self.spec
        c = spec.pre_emphasis_coefficient
        x = waveforms * spec.gain
        if spec.pre_emphasis == "clip":
            x = x[:, 1:] - c * x[:, :-1]
        n_frames = None
        if spec.padding != "none":
            half = spec.fft_size // 2
            n_frames = 1 + x.shape[1] // spec.hop_samples
            mode = "reflect" if spec.padding == "reflect" else "constant"
            x = F.pad(x, (half, half), mode=mode)[:, (spec.fft_size - spec.window_samples) // 2 :]
        frames = x.unfold(-1, spec.window_samples, spec.hop_samples)[:, :n_frames]
        if spec.remove_frame_mean:
            frames = frames - frames.mean(-1, keepdim=True)
        if spec.pre_emphasis == "frame":
            before = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
            frames = frames - c * before
        return frames

    def _compressed(self, mel: Tensor) -> Tensor:
        spec = self.spec
        if spec.compression == "ln_offset":
            mel = (mel + spec.floor).log()
        else:
            mel = mel.clamp(min=spec.floor)
            mel = 10.0 * mel.log10() if spec.compression == "db" else mel.log()
        return (mel - spec.mean) / spec.scale
