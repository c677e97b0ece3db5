"""Training windows from their plan, on any device: cut, mixed, put into rooms and noise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.audio.frontends import FrontEndSpec, n_frames
from soundseek.lab.augment.equalise import band_gains_db, equalised
from soundseek.lab.distilled.plans import Parts, Plan
from soundseek.lab.frontends import FrontEnd

_FULL_SCALE = 32767.0
_PEAK = 0.99
_SILENCED_DB = -120.0


class Windows(NamedTuple):
    """`features` `[n, frames, bands]`, `lengths` `[n]` frames that count."""

    features: Tensor
    lengths: Tensor


class Renderer(nn.Module):
    """Makes the windows of a plan from all clips' samples, int16 and end to end.

    `offsets` `[clips + 1]` as in `WaveformStore`. The samples lie on the device that it is moved
    to: one hour of 16 kHz takes 115 MB.
    """

    def __init__(
        self,
        samples: NDArray[np.int16],
        offsets: NDArray[np.int64],
        frontend: FrontEnd,
        *,
        window_samples: int,
    ) -> None:
        super().__init__()
        # A copy: the store is a read-only file.
        self.register_buffer("samples", torch.from_numpy(np.array(samples)), persistent=False)
        self.register_buffer("offsets", torch.from_numpy(offsets), persistent=False)
        self.frontend = frontend
        self.window_samples = window_samples

    samples: Tensor
    offsets: Tensor

    @torch.no_grad()
    def forward(self, plan: Plan, seed: int) -> Windows:
        """The windows; noise is drawn from `seed`, on the device."""
        device = self.samples.device
        generator = torch.Generator(device).manual_seed(seed)
        waveforms = self._mixed(plan.parts, len(plan.ends))
        valid = torch.arange(self.window_samples, device=device) < self._on(plan.ends)[:, None]
        waveforms = self._in_rooms(waveforms, plan, generator)
        waveforms = self._with_noise(waveforms, plan, generator) * valid
        waveforms = self._levelled(waveforms, plan)
        spec = self.frontend.spec
        features = equalised(self.frontend(waveforms), self._gains_db(plan, spec), spec)
        frames = [max(1, n_frames(int(end), spec)) for end in plan.ends]
        return Windows(features, torch.tensor(frames, device=device))

    def _on(self, values: NDArray[np.generic]) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(values))
        if tensor.dtype == torch.float64:
            tensor = tensor.float()
        return tensor.to(self.samples.device, non_blocking=True)

    def _mixed(self, parts: Parts, n: int) -> Tensor:
        """`[n, samples]`: the cuts of each window in their places, at their levels."""
        cuts = self._cuts(parts)
        power = cuts.square().sum(1) / self._on(parts.samples)
        level = power.sqrt()
        # Every cut to one level, and the window back to that of its first cut.
        factor = torch.pow(10.0, self._on(parts.level_db) / 20.0) / level.clamp(min=1e-5)
        cuts = cuts * factor[:, None]
        windows = self._on(parts.window)
        first = self._on(np.unique(parts.window, return_index=True)[1])
        mixed = torch.zeros(n, self.window_samples, device=cuts.device)
        mixed.index_add_(0, windows, cuts)
        own = torch.zeros(n, device=cuts.device)
        own[windows[first]] = level[first]
        return mixed * own.clamp(min=1e-4)[:, None]

    def _cuts(self, parts: Parts) -> Tensor:
        """`[parts, samples]`: each clip as heard at its speed, by linear interpolation."""
        at = torch.arange(self.window_samples, device=self.samples.device)[None, :]
        at = at - self._on(parts.onset)[:, None]
        there = (at >= 0) & (at < self._on(parts.samples)[:, None])
        position = at.clamp(min=0) * self._on(parts.speed)[:, None]
        whole = position.floor()
        fraction = position - whole
        clips = self._on(parts.clip)
        first = (self.offsets[clips] + self._on(parts.start))[:, None]
        last = (self.offsets[clips + 1] - 1)[:, None]
        index = torch.minimum(first + whole.long(), last)
        left = self.samples[index].float()
        right = self.samples[torch.minimum(index + 1, last)].float()
        return torch.lerp(left, right, fraction) / _FULL_SCALE * there

    def _in_rooms(self, waveforms: Tensor, plan: Plan, generator: torch.Generator) -> Tensor:
        """Convolve with exponentially decaying noise, the direct sound kept."""
        which = np.flatnonzero(plan.room_s)
        if not len(which):
            return waveforms
        chosen = self._on(which)
        dry = waveforms[chosen]
        n, samples = dry.shape
        t = torch.arange(samples, device=dry.device) / self.frontend.spec.sample_rate
        noise = torch.randn(n, samples, device=dry.device, generator=generator)
        # 60 dB in the reverberation time.
        tail = noise * torch.exp(-6.9 * t / self._on(plan.room_s[which])[:, None])
        tail = tail / tail.square().sum(1, keepdim=True).sqrt()
        size = 2 * samples
        heard = torch.fft.irfft(torch.fft.rfft(dry, size) * torch.fft.rfft(tail, size), size)
        result = waveforms.clone()
        result[chosen] = dry + self._on(plan.wet[which])[:, None] * heard[:, :samples]
        return result

    def _with_noise(self, waveforms: Tensor, plan: Plan, generator: torch.Generator) -> Tensor:
        """Noise of a slope between white and brown, at its distance below the sound."""
        which = np.flatnonzero(np.isfinite(plan.noise_db))
        if not len(which):
            return waveforms
        chosen = self._on(which)
        sound = waveforms[chosen]
        white = torch.randn(sound.shape, device=sound.device, generator=generator)
        spectrum = torch.fft.rfft(white)
        f = torch.arange(spectrum.shape[1], device=sound.device).clamp(min=32).float()
        spectrum = spectrum * f ** (-0.5 * self._on(plan.noise_slope[which])[:, None])
        noise = torch.fft.irfft(spectrum, sound.shape[1])
        ratio = sound.square().mean(1).sqrt() / noise.square().mean(1).sqrt().clamp(min=1e-9)
        level = ratio * torch.pow(10.0, -self._on(plan.noise_db[which]) / 20.0)
        result = waveforms.clone()
        result[chosen] = sound + noise * level[:, None]
        return result

    def _levelled(self, waveforms: Tensor, plan: Plan) -> Tensor:
        gain = torch.pow(10.0, self._on(plan.gain_db) / 20.0)
        most = _PEAK / waveforms.abs().amax(1).clamp(min=1e-5)
        factor = torch.where(self._on(plan.natural), torch.minimum(gain, most), gain * most)
        return waveforms * factor[:, None]

    def _gains_db(self, plan: Plan, spec: FrontEndSpec) -> Tensor:
        curve = F.interpolate(
            self._on(plan.curve_db)[:, None], spec.bands, mode="linear", align_corners=True
        )[:, 0]
        gains = band_gains_db(self._on(plan.tilt_db), spec) + curve
        bands = torch.arange(spec.bands, device=gains.device)
        return gains + _SILENCED_DB * (bands >= self._on(plan.cut_band)[:, None])
