"""What each training stage can be told, with the published defaults in one place and the source of every one.

`P` is the MoViE paper (arXiv 2412.06578), `S` a published neighbour, named; anything else was chosen here, with the
reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from movie_cli.train.objectives import LossWeights

StageName = Literal["autoencoder", "direct", "base", "mobile", "guidance", "adversarial", "regions"]

PAPER_TRAINING = "P: Adam, batch 512, 256x256"
PIXEL_WEIGHT = "chosen: of latent errors as they show in the linear picture, which white latents hide; P has none"
FIRST_MODEL = "chosen: as the first embedded model"
NEW_DENOISER = "a new denoiser of this shape; empty goes on with the starting checkpoint's"
IP2P = "S InstructPix2Pix (arXiv 2211.09800), section 3.2.1"


def setting(value: Any, source: str, low: float | None = None, high: float | None = None) -> Any:
    """A field with a default, where that comes from, and the range that it must lie in."""
    metadata = {"source": source, "low": low, "high": high}
    return field(default=value, metadata=metadata)


@dataclass(frozen=True)
class DataSettings:
    """Where triplets (source, instruction, edited) come from; the table `[data]`."""

    kind: Literal["bank", "pairs", "hub"] = setting(
        "bank",
        "bank: procedural edits of photographs; pairs: a folder with metadata.jsonl; hub: a Hugging Face data set",
    )
    folder: str = setting("", "photographs or videos (bank), or the pairs; --data sets it")
    name: str = setting("", "the data set's name on the Hub, or its folder (hub)")
    split: str = setting("train", "the data set's split (hub)")
    crop: int = setting(256, PAPER_TRAINING, 16, 4096)
    frames: tuple[str, ...] = setting(
        (), "bank: whole pictures of these sizes, WIDTHxHEIGHT, in turn, and not crops: many edits depend on the place"
    )
    flip: bool = setting(True, f"{IP2P}: pairs are mirrored half of the time; bank edits have a light's side")
    strength: float = setting(
        0.0, "bank: the share of the full edit in the edited picture; 0 draws scales and takes what they ask for", 0, 1
    )
    combined: float = setting(0.15, "bank: share of two edits at once; as the first embedded model", 0, 1)
    unedited: float = setting(0.05, "bank: share of samples that ask for nothing; as the first embedded model", 0, 1)
    photo_share: float = setting(1.0, "bank: part of the photographs that one edit is shown on, in crops", 0, 1)
    source_noise: float = setting(0.0, "bank: deviation of noise on sources that targets do not have", 0, 0.2)
    targets: str = setting("", "bank: where finished targets are kept; empty for a folder in the run's", None)
    teachers: str = setting("", "bank: the folder of the style teacher's files, for painted looks")
    paintings: str = setting("", "bank: the folder of the paintings that it paints with")
    labels: str = setting("", "bank: the folder of teachers' answers about the photographs; empty: as START sees them")
    weights: dict[str, float] = field(
        default_factory=dict, metadata={"source": "bank: how often an edit, or each of a group, is drawn, against 1"}
    )


@dataclass(frozen=True)
class StageSettings:
    """What every stage can be told."""

    start: str = setting("", "the checkpoint to start from: a name, a folder or owner/name on the Hub; START sets it")
    seed: int = setting(0, "any", 0, 2**31)
    steps: int = setting(5000, "P: 20k (mobile), 5k (guidance), 20k (adversarial)", 1)
    batch: int = setting(512, PAPER_TRAINING, 1)
    micro_batch: int = setting(8, "samples a device sees at once; the rest is accumulated. 8 fits 24 GB", 1)
    learning_rate: float = setting(1e-5, "P, guidance and adversarial distillation", 0, 1)
    warmup: int = setting(0, "steps of linear warm-up; the paper tells of none", 0)
    decay: Literal["constant", "cosine"] = setting("constant", "the paper tells of no decay")
    weight_decay: float = setting(0.0, "P: Adam, which has none", 0, 1)
    clip: float = setting(1.0, "S diffusers' InstructPix2Pix training: gradient norm 1", 0)
    ema: float = setting(0.9999, "S InstructPix2Pix (latent diffusion's): 0.9999", 0, 1)
    mixed_precision: Literal["no", "bf16"] = setting("no", "bf16 on GPUs that compute in it; needs no loss scaling")
    gradient_checkpointing: bool = setting(False, "activations are computed again and not kept")
    lora_rank: int = setting(0, "0 trains all weights; else low-rank layers of this rank (needs peft)", 0, 1024)
    workers: int = setting(1, "processes that make samples, a device", 0, 64)
    save_every: int = setting(500, "steps between saved states, which a killed run goes on from", 1)
    sample_every: int = setting(500, "steps between sample sheets; 0 for none", 0)
    log_every: int = setting(10, "steps between lines of metrics", 1)
    equivariant: float = setting(
        0.0, "S Fairy (arXiv 2312.13834): largest move of the small affine on source and target alike", 0, 0.25
    )
    recurrent_dropout: float = setting(0.5, "chosen: half of the samples are a clip's first frame", 0, 1)
    data: DataSettings = field(default_factory=DataSettings)


@dataclass(frozen=True)
class AutoencoderSettings(StageSettings):
    """`movie train autoencoder`: fits the linear patch code, then trains the detail decoder."""

    steps: int = setting(20000, "chosen: hours on two CPU cores", 1)
    batch: int = setting(16, "chosen: pictures carry thousands of patches each", 1)
    learning_rate: float = setting(6e-4, FIRST_MODEL, 0, 1)
    ema: float = setting(0.998, FIRST_MODEL, 0, 1)
    fit: bool = setting(True, "fit the linear code to the photographs; false keeps the starting checkpoint's")
    latent_channels: int = setting(32, FIRST_MODEL, 3, 192)
    decoder_widths: tuple[int, int, int] = setting((80, 48, 16), "chosen: a quarter of the first model's operations")
    decoder_blocks: int = setting(1, "chosen: at half of the picture's size, where each is dear", 1, 8)
    decoder_sees_quarter: bool = setting(
        False, "chosen: the pictures come in at half of their size, not at a quarter too"
    )
    new_decoder: bool = setting(False, "begin the detail decoder anew where the code stays, fit = false")
    patches_per_photo: int = setting(200, "chosen: a covariance of 192 values needs no more", 1)
    latent_noise: float = setting(0.1, "chosen: deviation of noise on edited latents, as a denoiser's errors", 0, 1)
    source_skip: bool = setting(True, "S img2img-turbo (arXiv 2403.12036): the decoder sees the source")
    loss: LossWeights = field(default_factory=LossWeights)


@dataclass(frozen=True)
class DirectSettings(StageSettings):
    """`movie train direct`: one step from the bank's own edits, without a teacher; not of the paper."""

    steps: int = setting(6000, "chosen: an hour or two on two CPU cores", 1)
    batch: int = setting(16, FIRST_MODEL, 1)
    learning_rate: float = setting(6e-4, FIRST_MODEL, 0, 1)
    weight_decay: float = setting(0.01, FIRST_MODEL, 0, 1)
    ema: float = setting(0.998, FIRST_MODEL, 0, 1)
    anchor_share: float = setting(0.25, "chosen: of batches whose self-attention also sees an anchor", 0, 1)
    grain: float = setting(
        0.0,
        "chosen: deviation of white noise, and of blotches of 4 pixels, on sources and not on targets",
        0,
        0.2,
    )
    latent_weight: float = setting(0.02, "chosen: keeps the predicted latents in the autoencoder's own code", 0)
    codes_learning_rate: float = setting(0.0, "chosen: of the edit codes, each seldom seen; 0 for the usual one", 0, 1)
    scene: bool = setting(False, "chosen: the denoiser is told what is where, by START's region network")
    unet: dict[str, Any] = field(default_factory=dict, metadata={"source": NEW_DENOISER})
    loss: LossWeights = field(default_factory=LossWeights)


@dataclass(frozen=True)
class BaseSettings(StageSettings):
    """`movie train base`: noise prediction with dropped conditions, for three passes and many steps."""

    steps: int = setting(20000, "P, Mobile-Pix2Pix: 20k iterations", 1)
    learning_rate: float = setting(1e-4, f"{IP2P}: 1e-4", 0, 1)
    text_dropout: float = setting(0.05, f"{IP2P}: text alone 5 %", 0, 0.5)
    image_dropout: float = setting(0.05, f"{IP2P}: image alone 5 %", 0, 0.5)
    both_dropout: float = setting(0.05, f"{IP2P}: both 5 %", 0, 0.5)
    null_text: Literal["edited", "source"] = setting(
        "edited", f"{IP2P}: without text the edited picture stays the target. `source` suits the bank: no text, no edit"
    )
    prediction: Literal["epsilon", "sample"] = setting(
        "epsilon",
        f"{IP2P}: the noise. `sample`, the picture, suits edits that follow from the source alone: a small edit hardly "
        "shows in the noise. For a new denoiser, or one taken over; else the starting checkpoint's stays",
    )
    held_scales: tuple[float, float] = setting(
        (0.0, 0.0), "chosen: takes over a guided or one-step START's denoiser, both scales held there; 0 does not"
    )
    held_share: float = setting(
        1.0, "chosen: of the edit at held_scales that the base begins with; guidance multiplies it", 0.01, 1
    )
    image_weight: float = setting(
        1.0, "chosen: of the loss where the source is seen, against 1 where it was dropped; P and S weigh all alike", 0
    )
    edit_weight: float = setting(
        1.0,
        "chosen: as much again of the edited latents' loss; 0 where decoded_weight leads to latents of another kind",
        0,
    )
    plain_weight: float = setting(
        1.0, "chosen: of the loss without text, whose error guidance multiplies by s_I - s_T", 0
    )
    pixel_weight: float = setting(0.0, PIXEL_WEIGHT, 0)
    stray: float = setting(
        0.0,
        "chosen: noise is added to up to so many times the edit, which guided steps pass through; 0 to the target",
        0,
    )
    decoded_weight: float = setting(
        0.0, "chosen: of the decoded, guided picture's distance, for `sample` and null_text `source`; P has none", 0
    )
    sampling_steps: int = setting(10, "P: 10 steps", 1, 1000)
    recurrent: bool = setting(False, "S RFDM: the previous edited frame as further input channels")
    codes_learning_rate: float = setting(3e-3, "chosen: the embedded encoder's edit codes, trained from noise", 0, 1)
    unet: dict[str, Any] = field(
        default_factory=dict,
        metadata={"source": NEW_DENOISER},
    )
    loss: LossWeights = field(default_factory=LossWeights)


@dataclass(frozen=True)
class MobileSettings(BaseSettings):
    """`movie train mobile`: drops top-level attention, swaps the autoencoder, adds image channels, fine-tunes."""

    drop_attention: bool = setting(True, "P, Mobile-Pix2Pix: no transformer blocks at the highest resolution")
    autoencoder: str = setting(
        "", "P, Mobile-Pix2Pix: TAESD; a folder or owner/name in diffusers layout. Empty keeps the present one"
    )


@dataclass(frozen=True)
class GuidanceSettings(StageSettings):
    """`movie train guidance`: three passes become one (Algorithm 1)."""

    text_scale_low: float = setting(2.0, "P, Algorithm 1: s_T ~ U[2, 14]", 0.01)
    text_scale_high: float = setting(14.0, "P, Algorithm 1: s_T ~ U[2, 14]", 0.01)
    image_scale_low: float = setting(1.0, "P, Algorithm 1: s_I ~ U[1, 3]", 0.01)
    image_scale_high: float = setting(3.0, "P, Algorithm 1: s_I ~ U[1, 3]", 0.01)
    full_ratio: float = setting(
        0.0, "chosen: s_T / s_I of the full edit, beyond which guidance saturates as pictures do; 0 goes on, as P", 0
    )
    pixel_weight: float = setting(0.0, PIXEL_WEIGHT, 0)
    scale_embedding_dim: int = setting(256, "unpublished; chosen: a fifth of SD's time embedding", 4, 4096)
    sampling_steps: int = setting(10, "P, Algorithm 1: 10 steps", 1, 1000)


@dataclass(frozen=True)
class AdversarialSettings(StageSettings):
    """`movie train adversarial`: ten steps become one (v-prediction, then Algorithm 2)."""

    steps: int = setting(20000, "P: 20k iterations, after the conversion", 1)
    ema: float = setting(0.95, "S SF-V (arXiv 2406.04324): EMA 0.95", 0, 1)
    conversion_steps: int = setting(4000, "P: 4k steps of warm-up to v-prediction", 0)
    conversion_learning_rate: float = setting(1e-6, "P: 1e-6", 0, 1)
    student: str = setting("", "a one-step checkpoint to go on from; empty begins with the teacher's copy, as P")
    train_timesteps: int = setting(8, "P, Algorithm 2: 8 timesteps of an Euler schedule", 1, 100)
    last_timestep_share: float = setting(0.125, "P draws all alike; the one that is run may be given more", 0, 1)
    usual_share: float = setting(0.0, "chosen: of samples at the scales most edits are run with; P draws all", 0, 1)
    pure_noise: bool = setting(True, "chosen: at the last timestep the input is noise alone, as it is when it is run")
    teacher_steps: int = setting(5, "P Algorithm 2: 5 LCM steps of the guided teacher", 1, 100)
    teacher_sampler: Literal["lcm", "ddim"] = setting("lcm", "P Algorithm 2: LCM; ddim draws no noise between steps")
    log_sigma_mean: float = setting(-1.0, "P, Algorithm 2: log sigma' ~ N(-1, 1)", -10, 10)
    log_sigma_deviation: float = setting(1.0, "P, Algorithm 2: log sigma' ~ N(-1, 1)", 0, 10)
    mse_weight: float = setting(0.1, "unpublished; S SF-V: 0.1 on reconstruction", 0)
    decoded_weight: float = setting(
        0.0, "chosen: of the decoded pictures' distance, where latents are white; P has none", 0
    )
    data_weight: float = setting(
        0.0,
        "chosen: of the decoded picture's distance from the bank's edit, as strong as the teacher's; P has none. "
        "S DMD2 (arXiv 2405.14867): with real pictures a student may surpass its teacher",
        0,
    )
    teacher_every: int = setting(
        1, "chosen: the teacher is asked once in so many steps, and weighs as much; steps by data alone are cheap", 1
    )
    generator_weight: float = setting(1.0, "unpublished; S SF-V: 1 on the adversarial term", 0)
    r1_weight: float = setting(1e-5, "unpublished; S ADD (arXiv 2311.17042): 1e-5 on the heads' inputs", 0)
    discriminator_learning_rate: float = setting(1e-4, "unpublished; S SF-V: ten times the student's", 0, 1)
    head_width: int = setting(64, "unpublished; S StyleGAN-T (arXiv 2301.09515): 64 channels", 4, 1024)
    scale_heads: bool = setting(True, "P: heads see both scales; Table 2 shows the edit's control lost without")
    loss: LossWeights = field(default_factory=LossWeights)


@dataclass(frozen=True)
class RegionsSettings(StageSettings):
    """`movie train regions`: the region network learns from segmentation teachers. All of it was chosen here."""

    steps: int = setting(14400, "chosen: two hours on one CPU core", 1)
    batch: int = setting(16, "chosen", 1)
    micro_batch: int = setting(16, "chosen: batch normalization wants them together", 1)
    learning_rate: float = setting(2e-3, "chosen", 0, 1)
    warmup: int = setting(200, "chosen", 0)
    decay: Literal["constant", "cosine"] = setting("cosine", "chosen")
    weight_decay: float = setting(0.02, "chosen", 0, 1)
    ema: float = setting(0.998, "chosen", 0, 1)
    workers: int = setting(0, "chosen: samples are cheap beside a step on a CPU", 0, 64)
    teachers: str = setting("teachers", "the folder of the teachers' files")
    labels: str = setting("", "where the teachers' answers are kept, to be used again; empty for the run's folder")
    sizes: tuple[tuple[int, int, int], ...] = setting(
        ((256, 192, 1),), "width, height and steps, in turn; the last goes on: small pictures first save time"
    )
    pasted: float = setting(0.1, "chosen: share of samples with a subject of another photograph", 0, 1)
    plain: float = setting(0.5, "chosen: share of samples that are crops and no more", 0, 1)
    balance: float = setting(0.5, "chosen: share of photographs drawn for a region, each as often", 0, 1)
    rarity: float = setting(0.2, "chosen: power of a region's rarity that its pixels count by", 0, 1)
    uncertain: float = setting(0.03, "chosen: what a label counts that teachers do not agree on", 0, 1)
    parts_weight: float = setting(0.4, "chosen: of hair, skin and clothes within persons", 0)
    features_weight: float = setting(2.0, "chosen: of the teacher's features; falls to a quarter at the end", 0)
    steady_weight: float = setting(0.5, "chosen: of the change under small motion", 0)
    steady_share: float = setting(0.125, "chosen: of a batch that is seen twice", 0, 1)
    steady_move: float = setting(6.0, "chosen: pixels", 0, 64)
    norm_momentum: float = setting(0.05, "chosen: of the normalizations' running means", 0, 1)
    network: dict[str, Any] = field(
        default_factory=dict, metadata={"source": "widths, blocks, expansion and decoder; empty for the usual shape"}
    )


SETTINGS: dict[StageName, type[StageSettings]] = {
    "autoencoder": AutoencoderSettings,
    "direct": DirectSettings,
    "base": BaseSettings,
    "mobile": MobileSettings,
    "guidance": GuidanceSettings,
    "adversarial": AdversarialSettings,
    "regions": RegionsSettings,
}
CHANGEABLE = frozenset(
    {"steps", "learning_rate", "clip", "micro_batch", "workers", "save_every", "sample_every", "log_every"}
    | {"discriminator_learning_rate", "conversion_learning_rate", "codes_learning_rate", "usual_share", "equivariant"}
    | {"features_weight", "steady_weight", "steady_share", "pasted", "sizes", "ema", "uncertain", "rarity", "plain"}
    | {"mse_weight", "decoded_weight", "data_weight", "generator_weight"}
)
"""What a resumed run may have been told otherwise than it began: neither the data nor the networks depend on it."""
