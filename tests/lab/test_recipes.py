"""The shipped recipes: all there, all loading, and saying what the reports say."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from soundseek.lab.published_weights import WEIGHTS
from soundseek.lab.recipe_files import RECIPES, merged, validated
from soundseek.lab.retrieval.build import build_model
from soundseek.lab.retrieval.ensemble import EnsembleRecipe, members_of
from soundseek.lab.retrieval.recipe import RetrievalRecipe
from soundseek.lab.systems import load_recipe, recipe_names

pytestmark = pytest.mark.lab

# Every shipped recipe of a system that ranks clips and what its report published, by hand: a loader
# that overlooks some must not pass, and neither must figures that a recipe has from the one that it
# extends. R@1, R@5, R@10, mAP@10; None: not in the report.
PUBLISHED: dict[str, tuple[float | None, ...] | None] = {
    "cau2022/baseline": (0.032, 0.109, None, 0.068),
    "cau2022/cnn10_gru": (0.032, 0.109, None, 0.066),
    "cau2022/transfer_cosine": (0.035, 0.127, None, 0.07),
    "cau2022/transfer_exponential": (0.041, 0.141, None, 0.086),
    "cau2022/transfer_plateau": (0.048, 0.148, None, 0.091),
    "cau2022/transfer_plateau_16k": None,
    "cau2022/transfer_plateau_unfrozen": None,
    "cmu2022/caption_match": None,
    "cmu2022/caption_match_bm25": None,
    "cmu2022/caption_match_bundle": None,
    "cmu2022/caption_match_cider": None,
    "cmu2022/exp_euclidean": None,
    "cmu2022/lstm": (0.02, 0.08, 0.15, 0.04),
    "cmu2022/retrieval_baseline": (0.02, 0.09, 0.16, 0.05),
    "cmu2022/sentence_bert": (0.04, 0.16, 0.25, 0.09),
    "cmu2022/shared_space": (0.02, 0.10, 0.17, 0.06),
    "cmu2022/sound_events": None,
    "cmu2022/vggish": (0.02, 0.08, 0.14, 0.04),
    "cpjku2022/audiocaps": (0.1434, 0.3812, 0.5204, 0.2457),
    "cpjku2022/audioset": (0.1318, 0.3530, 0.4861, 0.2280),
    "cpjku2022/augmentations": (0.1450, 0.3724, 0.5104, 0.2427),
    "cpjku2022/baseline": (0.0663, 0.2006, 0.3152, 0.1253),
    "cpjku2022/no_audio_augmentation": (0.1388, 0.3694, 0.5106, 0.2374),
    "cpjku2022/no_back_translation": (0.1361, 0.3638, 0.5000, 0.2343),
    "cpjku2022/no_eda": (0.1333, 0.3702, 0.4994, 0.2327),
    "cpjku2022/no_freq_mixstyle": (0.1361, 0.3691, 0.5069, 0.2362),
    "cpjku2022/no_gain": (0.1484, 0.3781, 0.5095, 0.2405),
    "cpjku2022/no_specaugment": (0.1350, 0.3660, 0.5091, 0.2353),
    "cpjku2022/no_text_augmentation": (0.1312, 0.3577, 0.4925, 0.2291),
    "cpjku2022/search_best": (0.1450, 0.3724, 0.5104, 0.2427),
    "cpjku2024/contrastive": (0.1724, 0.4231, 0.5647, 0.2820),
    "cpjku2024/distilled": (0.1848, 0.4558, 0.6040, 0.2994),
    "cpjku2024/distilled_large": (0.2769, 0.5705, 0.7050, 0.4011),
    "dcase2022/baseline": (0.03, 0.11, 0.19, 0.07),
    "samsung2024/system1": (0.165, 0.41, 0.557, 0.27),
    "samsung2024/system2": (0.22, 0.497, 0.644, 0.332),
    "samsung2024/system3": (0.207, 0.499, 0.638, 0.329),
    "samsung2024/system4": (0.221, 0.505, 0.653, 0.344),
    "samsung2024/system5": (0.24, 0.505, 0.645, 0.355),
    "samsung2024/system6": (0.244, 0.534, 0.662, 0.37),
    "samsung2024/system7": (0.278, 0.576, 0.705, 0.406),
    "soundseek/mini": None,
    "surrey2022/cnn14_bert": (0.147, 0.377, 0.495, 0.244),
    "surrey2022/cnn14_bert_audiocaps": (0.143, 0.374, 0.498, 0.243),
    "surrey2022/resnet38_bert": (0.143, 0.369, 0.491, 0.239),
    "surrey2022/submission1": None,
    "surrey2022/submission2": None,
    "surrey2022/submission3": None,
    "surrey2022/submission4": None,
}
# What those that write captions published is in captioning/test_recipes.py.
CAPTIONING = (
    "cmu2022/captioning_adapter",
    "cmu2022/captioning_baseline",
    "cmu2022/captioning_crnn",
    "cmu2022/captioning_events",
    "cmu2022/captioning_final",
    "cmu2022/captioning_last_two",
    "cmu2022/captioning_mean",
    "cmu2022/captioning_pretrained",
    "cmu2022/captioning_seven",
    "soundseek/captions",
)
# Those that read texts alone.
READING = ("soundseek/words",)
SHIPPED = sorted([*PUBLISHED, *CAPTIONING, *READING])
COLUMNS = ("R@1", "R@5", "R@10", "mAP@10")
COMMANDS = ("Train", "Override")
LABELS = ("Data", *COMMANDS, "Scores")

# What the reports say, where they can be read: path in the recipe → value.
SAID: dict[str, dict[str, Any]] = {
    "dcase2022/baseline": {
        "optimiser.learning_rate": 1e-3,
        "optimiser.batch": 32,
        "optimiser.epochs": 150,
    },
    "cau2022/transfer_plateau": {
        "optimiser.kind": "adam",
        "optimiser.learning_rate": 1e-3,
        "optimiser.batch": 32,
        "optimiser.epochs": 150,
        "optimiser.stop_after": None,
        "optimiser.schedule.kind": "plateau",
        "optimiser.schedule.monitor": "loss",
        "audio.options.frozen_cnn": True,
        "audio.checkpoint": "Cnn10_mAP=0.380.pth",
        "text.model": "word2vec-google-news-300.bin",
        "text.frozen": True,
        "objective.0.term": "triplet_ranking",
    },
    "cau2022/cnn10_gru": {"audio.weights": "random"},
    "cau2022/transfer_cosine": {"optimiser.schedule.kind": "cosine"},
    "cau2022/transfer_exponential": {"optimiser.schedule.kind": "exponential"},
    "cau2022/transfer_plateau_16k": {
        "audio.options.frontend": "dcase2022_16k",
        "audio.options.frozen_cnn": True,
    },
    "cmu2022/sound_events": {
        "audio.events.tagger": "panns_cnn14_decision_level_max",
        "audio.events.threshold": 0.5,
    },
    "cau2022/transfer_plateau_unfrozen": {"audio.options.frozen_cnn": False},
    "surrey2022/cnn14_bert": {
        "optimiser.kind": "adam",
        "optimiser.learning_rate": 1e-4,
        "optimiser.batch": 32,
        "optimiser.epochs": 50,
        "optimiser.schedule.kind": "step",
        "optimiser.schedule.factor": 0.1,
        "optimiser.schedule.every_epochs": 20,
        "objective.0.options.temperature": 0.07,
        "space.dimension": 1024,
        "text.lowercase": True,
        "text.strip_punctuation": True,
    },
    "cpjku2022/baseline": {
        "audio.weights": "random",
        "audio.projection.0": 2048,
        "text.projection.0": 2048,
        "text.max_tokens": 32,
        "optimiser.batch": 30,
        "optimiser.epochs": 50,
        "optimiser.schedule.every_epochs": 10,
        "augment.text.p_eda": 0.0,
        "augment.audio.gain_db": 0.0,
    },
    "cpjku2022/search_best": {
        "augment.text.p_eda": 0.9936,
        "augment.text.p_synonym": 0.2962,
        "augment.text.p_swap": 0.0085,
        "augment.text.p_delete": 0.1944,
        "augment.text.p_back_translation": 0.1812,
        "augment.audio.spec_band_stripes": 1,
        "augment.audio.spec_band_width": 4,
        "augment.audio.spec_time_stripes": 7,
        "augment.audio.spec_time_width": 58,
        "augment.audio.gain_db": 3.0,
        "augment.audio.p_mixstyle": 0.1045,
        "augment.audio.mixstyle_alpha": 0.8286,
    },
    "samsung2024/system6": {
        "optimiser.kind": "adamw",
        "optimiser.learning_rate": 2e-6,
        "optimiser.weight_decay": 2e-5,
        "optimiser.epochs": 15,
        "optimiser.schedule.kind": "cosine",
        "optimiser.schedule.warmup_epochs": 1.0,
        "optimiser.schedule.last_rate": 1e-7,
        "audio.max_s": 30.0,
        "audio.window_s": 10.0,
        "text.max_tokens": 40,
        "text.lowercase": True,
        "text.strip_punctuation": True,
        "objective.2.options.share": 0.6,
        "augment.audio.mixup_share": 0.0,
    },
    "samsung2024/system5": {"stages": (), "optimiser.epochs": 15},
    "cmu2022/shared_space": {"space.dimension": 1024, "optimiser.epochs": 50},
    "cmu2022/sentence_bert": {"text.frozen": True, "text.projection": None},
    "cmu2022/lstm": {"audio.options.recurrent": "lstm"},
    "cpjku2024/distilled": {
        "optimiser.learning_rate": 2e-5,
        "optimiser.batch": 64,
        "optimiser.epochs": 20,
        "optimiser.weight_decay": 0.0,
        "optimiser.schedule.last_rate": 1e-7,
        "objective.0.options.temperature": 0.05,
        "objective.0.options.duplicates": "positives",
        "audio.options.patchout_time": 15,
        "audio.options.patchout_frequency": 2,
    },
}
ABLATED = {
    "no_audio_augmentation": {"gain_db", "spec_time_stripes", "spec_band_stripes", "p_mixstyle"},
    "no_text_augmentation": {"p_back_translation", "p_eda"},
    "no_specaugment": {"spec_time_stripes", "spec_band_stripes"},
    "no_freq_mixstyle": {"p_mixstyle"},
    "no_gain": {"gain_db"},
    "no_back_translation": {"p_back_translation"},
    "no_eda": {"p_eda"},
}


def retrieval(name: str) -> RetrievalRecipe:
    recipe = load_recipe(name)
    assert isinstance(recipe, RetrievalRecipe)
    return recipe


def ensemble(name: str) -> EnsembleRecipe:
    recipe = load_recipe(name)
    assert isinstance(recipe, EnsembleRecipe)
    return recipe


def retrieval_recipes() -> list[RetrievalRecipe]:
    found = (load_recipe(name) for name in SHIPPED)
    return [recipe for recipe in found if isinstance(recipe, RetrievalRecipe)]


def header(name: str) -> dict[str, str]:
    """Label → what stands behind it, in one line."""
    found: dict[str, str] = {}
    label = None
    for line in (RECIPES / f"{name}.yaml").read_text(encoding="utf-8").splitlines():
        begins = re.match(rf"# ({'|'.join(LABELS)}): +(.+)", line)
        if begins:
            label = begins[1]
            found[label] = begins[2]
        elif label and line.startswith("#           "):
            found[label] += " " + line[1:].strip()
        else:
            label = None
    return found


def test_the_list_of_shipped_recipes_is_complete() -> None:
    files = sorted(path for path in RECIPES.rglob("*") if path.suffix in (".yaml", ".yml"))
    assert recipe_names() == SHIPPED
    assert len(files) == len(SHIPPED) == 60


@pytest.mark.parametrize("name", SHIPPED)
def test_every_recipe_loads_under_its_name(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.description


def test_no_two_recipes_have_one_description() -> None:
    descriptions = [load_recipe(name).description for name in SHIPPED]
    assert len(set(descriptions)) == len(descriptions)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_recipe_begins_with_what_it_is(name: str) -> None:
    text = (RECIPES / f"{name}.yaml").read_text(encoding="utf-8")
    assert re.match(r"# \w.{20}", text)
    assert set(header(name)) >= set(LABELS)


@pytest.mark.parametrize("label", COMMANDS)
@pytest.mark.parametrize("name", SHIPPED)
def test_the_commands_of_a_header_work(name: str, label: str) -> None:
    # What is said about a command stands in brackets, or begins with "and with".
    command = re.split(r" \(| and with ", header(name)[label])[0]
    program, verb, recipe, *rest = shlex.split(command)
    out = rest.index("--out")
    overrides = [*rest[:out], *rest[out + 2 :]]
    assert (program, verb, recipe) == ("soundseek", "train", name)
    changed = load_recipe(recipe, overrides)
    plain = load_recipe(recipe)
    assert changed.model_dump() != plain.model_dump()
    if isinstance(changed, EnsembleRecipe):
        assert {member.recipe.data.folder for member in members_of(changed)} == {"DATA"}
    else:
        assert changed.data.folder == "DATA"  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_figures_are_those_of_the_report(name: str) -> None:
    recipe: Any = load_recipe(name)
    published = getattr(recipe, "published", None)
    expected = PUBLISHED[name]
    if expected is None:
        assert published is None
        assert name == "soundseek/mini" or "none published" in header(name)["Scores"]
        return
    assert published.scores == {
        column: value for column, value in zip(COLUMNS, expected, strict=True) if value is not None
    }
    assert all(0.0 < value < 1.0 for value in published.scores.values())
    assert published.scores["R@1"] < published.scores["mAP@10"] < published.scores["R@5"]
    said = {float(number) for number in re.findall(r"\b0\.\d+", header(name)["Scores"])}
    assert said == set(published.scores.values())


@pytest.mark.parametrize("name", sorted({name.split("/")[0] for name in SHIPPED}))
def test_published_figures_name_their_report(name: str) -> None:
    words = {"cau2022": "CAU", "cmu2022": "CMU", "samsung2024": "Samsung", "surrey2022": "Surrey"}
    word = words.get(name, "DCASE" if name == "dcase2022" else "CP-JKU")
    year = name[-4:]
    for shipped in SHIPPED:
        recipe: Any = load_recipe(shipped)
        if shipped.startswith(f"{name}/") and getattr(recipe, "published", None):
            assert recipe.published.source.startswith(word)
            assert f"DCASE {year}" in recipe.published.source


@pytest.mark.parametrize("name", sorted(SAID))
def test_a_recipe_has_the_numbers_of_its_report(name: str) -> None:
    document = load_recipe(name).model_dump()
    for path, expected in SAID[name].items():
        value: Any = document
        for part in path.split("."):
            value = value[int(part)] if part.isdigit() else value[part]
        assert value == expected, path


@pytest.mark.parametrize("name", sorted(ABLATED))
def test_an_ablation_switches_one_thing_off(name: str) -> None:
    full = retrieval("cpjku2022/augmentations").model_dump()
    without = retrieval(f"cpjku2022/{name}").model_dump()
    differing = {
        key
        for side in ("audio", "text")
        for key, value in without["augment"][side].items()
        if value != full["augment"][side][key]
    }
    assert differing == ABLATED[name]
    left = {**without["augment"]["audio"], **without["augment"]["text"]}
    assert not any(left[key] for key in differing)
    others = {key for key in full if without[key] != full[key]}
    assert others == {"name", "description", "published", "augment"}


def test_the_third_of_a_rate_every_ten_epochs() -> None:
    factor = retrieval("cpjku2022/baseline").optimiser.schedule.factor
    assert factor == pytest.approx(1 / 3, abs=1e-6)


def test_cpjku_fine_tunes_at_a_tenth_of_the_rate() -> None:
    (_, first), (_, second) = retrieval("cpjku2022/audiocaps").plain_stages()
    assert [source.corpus for source in first.data.train] == ["audiocaps"]
    assert [source.corpus for source in second.data.train] == ["clotho"]
    assert second.optimiser.learning_rate == pytest.approx(first.optimiser.learning_rate / 10)
    assert second.augment == first.augment


def test_samsung_pretrains_on_six_corpora_with_mixup() -> None:
    for name in ("system2", "system3", "system4", "system6"):
        (_, first), (_, second) = retrieval(f"samsung2024/{name}").plain_stages()
        assert {source.corpus for source in first.data.train} == {
            "clotho",
            "audiocaps",
            "wavcaps",
            "fsd50k",
            "laion630k",
            "lass2024",
        }
        assert (first.optimiser.learning_rate, first.optimiser.epochs) == (1e-5, 18)
        assert first.augment.audio.mixup_share > 0
        assert first.optimiser.schedule == second.optimiser.schedule
        assert [source.corpus for source in second.data.train] == ["clotho"]
        assert (second.optimiser.learning_rate, second.optimiser.epochs) == (2e-6, 15)
        assert second.augment.audio.mixup_share == 0
        assert first.data.validation == second.data.validation


def test_samsung_has_three_terms_of_one_weight() -> None:
    for name in ("system5", "system6"):
        terms = retrieval(f"samsung2024/{name}").objective
        assert {term.term: term.weight for term in terms} == {
            "nt_xent": 1.0,
            "matching": 1.0,
            "masked_lm": 1.0,
        }


def test_the_ensemble_of_42_models_is_seven_of_each_system() -> None:
    models = members_of(ensemble("samsung2024/system7"))
    assert len(models) == len({model.name for model in models}) == 42
    for number in range(1, 7):
        own = [model.recipe for model in models if model.recipe.name.endswith(f"system{number}")]
        assert len(own) == 7
        folds = {recipe.data.fold for recipe in own if recipe.data.folds == 5}
        assert folds == {0, 1, 2, 3, 4}
        assert sum(recipe.data.folds is None for recipe in own) == 2
        assert {recipe.seed for recipe in own} == {0, 1, 2}


def test_folds_are_of_the_fine_tuning_alone() -> None:
    for model in members_of(ensemble("samsung2024/system7")):
        *before, (_, last) = model.recipe.plain_stages()
        assert all(stage.data.folds is None for _, stage in before)
        assert last.data.folds == model.recipe.data.folds


@pytest.mark.parametrize("number", [2, 3, 4])
def test_submissions_are_three_seeds(number: int) -> None:
    models = members_of(ensemble(f"surrey2022/submission{number}"))
    assert [model.recipe.seed for model in models] == [0, 1, 2]


def test_stage_two_learns_from_stage_one_alone() -> None:
    for name in ("distilled", "distilled_large"):
        (_, first), (_, second) = retrieval(f"cpjku2024/{name}").plain_stages()
        assert first.teachers == ()
        assert [term.term for term in first.objective] == ["nt_xent"]
        assert second.teachers[0] == "stage:contrastive"
        assert [term.term for term in second.objective] == ["estimated_correspondences"]
    assert len(retrieval("cpjku2024/distilled_large").teachers) > 1


def test_what_overlaps_with_clotho_leaves_it_out() -> None:
    seen = set()
    for recipe in retrieval_recipes():
        for _, stage in recipe.plain_stages():
            for source in stage.data.train:
                seen.add(source.corpus)
                overlaps = source.corpus in {"wavcaps", "fsd50k", "laion630k"}
                # The list names AudioCaps itself: with it, next to nothing would be left.
                assert source.exclude == (("clotho_all",) if overlaps else ())
    assert {"wavcaps", "fsd50k", "laion630k", "audiocaps"} <= seen


def test_nobody_trains_or_validates_on_what_is_tested_with() -> None:
    for recipe in retrieval_recipes():
        for _, stage in recipe.plain_stages():
            seen = (*stage.data.train, *stage.data.validation)
            splits = {source.split for source in seen if source.corpus == "clotho"}
            assert splits <= {"train", "validation"}
            assert [(s.corpus, s.split) for s in stage.data.test] == [("clotho", "test")]


def test_every_checkpoint_is_a_published_one_of_its_encoder() -> None:
    for recipe in retrieval_recipes():
        pairs = [(recipe.audio.encoder, recipe.audio.weights, recipe.audio.checkpoint)]
        if recipe.audio.events is not None:
            events = recipe.audio.events
            pairs.append((events.tagger, events.weights, events.checkpoint))
        for encoder, weights, checkpoint in pairs:
            assert (weights == "pretrained") == (checkpoint is not None), recipe.name
            if checkpoint is not None:
                family = re.sub("^(surrey|cau)_", "panns_", encoder).removesuffix("_gru")
                assert WEIGHTS[checkpoint].encoder == family
        inner = recipe.audio.options.get("vggish_checkpoint")
        assert inner is None or WEIGHTS[inner].encoder == "vggish"


@pytest.mark.parametrize(
    "name",
    [
        "cau2022/transfer_plateau",
        "cau2022/transfer_plateau_16k",
        "cmu2022/lstm",
        "cmu2022/sentence_bert",
        "cmu2022/sound_events",
        "cmu2022/vggish",
        "dcase2022/baseline",
    ],
)
def test_sides_without_projection_meet_at_their_full_size(name: str) -> None:
    """Smoke runs cannot tell: their sizes are others, and every side gets a linear layer."""
    recipe = retrieval(name)
    assert None in (recipe.audio.projection, recipe.text.projection)
    document = merged(
        recipe.model_dump(),
        {
            "audio": {"weights": "random", "checkpoint": None},
            "text": {"weights": "random", "model": None},
        },
    )
    if recipe.audio.encoder == "vggish_crnn":
        random = {"vggish_checkpoint": None, "vggish_weights": "random"}
        document["audio"]["options"] = {**recipe.audio.options, **random}
    if recipe.audio.events is not None:
        document["audio"]["events"] |= {"weights": "random", "checkpoint": None}
    model = build_model(validated(RetrievalRecipe, document, name), ["a dog barks"]).eval()
    rate = model.audio.audio_encoder.sample_rate
    events = None if recipe.audio.events is None else torch.zeros(1, 527)
    with torch.no_grad():
        heard = model.embed_audio(torch.randn(1, 5 * rate), torch.tensor([5 * rate]), events)
        read = model.embed_text(["a dog barks"])
    assert heard.embedding.shape == read.shape == (1, recipe.space.dimension)


@pytest.mark.parametrize("name", [name for name in SHIPPED if not name.startswith("soundseek/")])
def test_a_recipe_file_can_be_read_in_a_terminal(name: str) -> None:
    lines = (RECIPES / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    assert max(map(len, lines)) <= 100
