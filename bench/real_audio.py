"""The reports' systems, scaled to a CPU, on real audio: published beside measured.

    python bench/real_audio.py --data DATA --out runs/real [--rows dcase2022 cau ...] [--seeds 1 2]
    python bench/real_audio.py --out runs/real --table docs/results/recipes_on_real_audio

Each row is a shipped recipe and a difference: data, narrower networks, a budget of steps. Nothing
pretrained can be had for Clotho's systems here but YAMNet (AudioSet) and all-MiniLM-L6-v2, so these
stand in where a report starts from PANNs and BERT. A run's folder keeps its whole recipe.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

NARROW_CNN10 = {"channels": [16, 32, 64, 128]}
NARROW_CNN14 = {"channels": [16, 32, 64, 128, 256, 512]}
MINILM = {
    "encoder": "sentence_transformer",
    "model": "MINILM",
    "weights": "pretrained",
    "options": {},
    "max_tokens": 32,
    "frozen": True,
}
RANDOM_BERT = {
    "encoder": "bert",
    "model": None,
    "weights": "random",
    "options": {"layers": 4, "width": 256, "heads": 4, "intermediate": 1024, "vocabulary": 8192},
    "max_tokens": 32,
    "frozen": False,
}
SMALL_BEATS = {
    "weights": "random",
    "checkpoint": None,
    "options": {
        "encoder_layers": 4,
        "encoder_embed_dim": 256,
        "encoder_ffn_embed_dim": 1024,
        "encoder_attention_heads": 4,
        "embed_dim": 256,
        "padding": "whole_patches",
    },
}
# The report's seven stripes of up to 58 frames were found on clips of 15 to 30 s.
SHORT_STRIPES = {"spec_time_stripes": 2, "spec_time_width": 50}
RANDOM = {"weights": "random", "checkpoint": None}
YAMNET = {"encoder": "yamnet", "options": {}, "weights": "pretrained", "checkpoint": "YAMNET"}
YAMNET_RANDOM = {"encoder": "yamnet", "options": {}, **RANDOM}
NT_XENT = [{"term": "nt_xent", "options": {"temperature": 0.07}}]

# Row → (recipe, difference, what is unlike the recipe besides data and budget).
ROWS: dict[str, tuple[str, dict[str, Any], str]] = {
    "dcase2022": (
        "dcase2022/baseline",
        {},
        "word vectors learnt from caption texts",
    ),
    "dcase2022-ntxent": (
        "dcase2022/baseline",
        {"objective": NT_XENT},
        "the same with NT-Xent for the random triplets",
    ),
    "cau-random": (
        "cau2022/cnn10_gru",
        {"audio": {**RANDOM, "options": NARROW_CNN10}},
        "a quarter of the channels",
    ),
    "cau-transfer": (
        "cau2022/transfer_plateau",
        {"audio": {**YAMNET, "projection": [], "frozen": True}},
        "frozen YAMNet and a linear layer for frozen Cnn10 and GRU",
    ),
    "surrey-cnn10": (
        "surrey2022/cnn14_bert",
        {"audio": {"encoder": "surrey_cnn10", **RANDOM, "options": NARROW_CNN10}, "text": MINILM},
        "Cnn10 at a quarter of its width from random weights, frozen MiniLM for BERT",
    ),
    "surrey-cnn14": (
        "surrey2022/cnn14_bert",
        {"audio": {**RANDOM, "options": NARROW_CNN14}, "text": MINILM},
        "Cnn14 at a quarter of its width from random weights, frozen MiniLM for BERT",
    ),
    "surrey-cnn10-random-text": (
        "surrey2022/cnn14_bert",
        {
            "audio": {"encoder": "surrey_cnn10", **RANDOM, "options": NARROW_CNN10},
            "text": RANDOM_BERT,
        },
        "as surrey-cnn10, with a small BERT from random weights",
    ),
    "cpjku-baseline": (
        "cpjku2022/baseline",
        {"audio": YAMNET_RANDOM, "text": MINILM},
        "YAMNet's network from random weights, frozen MiniLM for BERT",
    ),
    "cpjku-audioset": (
        "cpjku2022/audioset",
        {"audio": YAMNET, "text": MINILM},
        "YAMNet (AudioSet) for Cnn10, frozen MiniLM for BERT",
    ),
    "cpjku-augmentations": (
        "cpjku2022/augmentations",
        {
            "audio": YAMNET,
            "text": MINILM,
            "augment": {
                "text": {"p_back_translation": 0.0},
                "wordnet": "WORDNET",
                "audio": SHORT_STRIPES,
            },
        },
        "as cpjku-audioset, all of the report's augmentation (stripes for 5 s) but translation",
    ),
    "cpjku-audio-augmentations": (
        "cpjku2022/no_text_augmentation",
        {"audio": YAMNET, "text": MINILM},
        "as cpjku-audioset, with the report's audio augmentation alone",
    ),
    "cpjku-audio-augmentations-short": (
        "cpjku2022/no_text_augmentation",
        {"audio": YAMNET, "text": MINILM, "augment": {"audio": SHORT_STRIPES}},
        "the same, masking as large a share of 5 s as the report's stripes do of 20 s",
    ),
    "samsung": (
        "samsung2024/system5",
        {"audio": SMALL_BEATS, "text": RANDOM_BERT},
        "BEATs of 4 layers and BERT of 4 layers from random weights",
    ),
}
for _name in ("dcase2022", "cpjku-audioset"):
    _recipe, _difference, _unlike = ROWS[_name]
    ROWS[f"{_name}-research"] = (_recipe, _difference, f"{_unlike}; trained on both tiers")

# Steps of each row, and a peak learning rate where the recipe's is meant for pretrained weights.
BUDGETS: dict[str, dict[str, Any]] = {
    "default": {"max_steps": 400},
    "cpjku-baseline": {"max_steps": 300},
    "cpjku-audioset": {"max_steps": 300},
    "cpjku-audioset-research": {"max_steps": 300},
    "cpjku-augmentations": {"max_steps": 300},
    "cpjku-audio-augmentations": {"max_steps": 300},
    "cpjku-audio-augmentations-short": {"max_steps": 300},
    "surrey-cnn10": {"max_steps": 250},
    "surrey-cnn10-random-text": {"max_steps": 250},
    "surrey-cnn14": {"max_steps": 250},
    "samsung": {"max_steps": 250, "learning_rate": 3e-4},
}
MAX_S = 5.0


def difference_of(row: str, seed: int, places: dict[str, str], cache: Path) -> dict[str, Any]:
    """The difference of a row: its own, the data, the budget."""
    tiers = ["free", "research"] if row.endswith("-research") else ["free"]
    budget = BUDGETS.get(row, BUDGETS["default"])

    def of(split: str, chosen: list[str]) -> list[dict[str, Any]]:
        return [
            {
                "corpus": "clips",
                "root": places["DATA"],
                "split": split,
                "tiers": chosen,
                "min_caption_quality": 1,
            }
        ]

    common = {
        "seed": seed,
        "data": {
            "train": of("train", tiers),
            "validation": of("validation", ["free"]),
            "test": of("test", ["free"]),
            "captions": "one",
        },
        "audio": {"max_s": MAX_S, "window_s": None},
        "optimiser": {"batch": 32, "epochs": 50, **budget},
        "run": {
            "threads": 1,
            "precision": "bf16",
            "log_steps": 25,
            "cache": str(cache),
            "evaluate_epochs": 2,
        },
    }
    if "dcase2022" in row or row.startswith("cau"):
        common["text"] = {"model": places["WORDS"]}
    return common


def filled(value: Any, places: dict[str, str]) -> Any:
    """`value` with the names of places replaced by where they are."""
    if isinstance(value, dict):
        return {key: filled(inner, places) for key, inner in value.items()}
    return places.get(value, value) if isinstance(value, str) else value


def word_vectors(data: Path, folder: Path) -> Path:
    """Word2Vec of 300 dimensions learnt from AudioCaps and the clips' own captions (gensim)."""
    path = folder / "words.bin"
    if path.exists():
        return path
    from gensim.models import Word2Vec

    from soundseek.lab.data.manifest import read_clips_jsonl, select
    from soundseek.lab.data.texts import read_captions_csv
    from soundseek.text.normalise import normalise_caption

    clips = select(read_clips_jsonl(data / "clips.jsonl"), split="train")
    texts = [caption for clip in clips for caption in clip.captions]
    texts += read_captions_csv(data / "text" / "audiocaps_train.csv")
    sentences = [normalise_caption(text).split() for text in texts]
    model = Word2Vec(sentences, vector_size=300, min_count=2, sg=1, epochs=10, seed=1, workers=1)
    folder.mkdir(parents=True, exist_ok=True)
    model.wv.save_word2vec_format(str(path), binary=True)
    return path


def run_row(row: str, seed: int, places: dict[str, str], out: Path) -> None:
    """Train a row and score it, unless its scores are there."""
    from soundseek.lab.recipe_files import find_recipe, merged, read_recipe_file
    from soundseek.lab.systems import recipe_of, train

    folder = out / f"{row}-seed{seed}"
    if (folder / "scores.json").exists():
        print(f"{folder} is done")
        return
    recipe, difference, _ = ROWS[row]
    document = merged(read_recipe_file(find_recipe(recipe)), filled(difference, places))
    for section in ("audio", "text"):
        # Options belong to one encoder: those of another are not merged with them.
        if "options" in difference.get(section, {}):
            document[section]["options"] = filled(difference[section]["options"], places)
    document = merged(document, difference_of(row, seed, places, out / "cache"))
    document.pop("stages", None)
    train(recipe_of(document, row), folder)


def table(out: Path) -> tuple[str, list[dict[str, Any]]]:
    """Markdown and data: one row a run that is done."""
    rows = []
    for row, (recipe, difference, unlike) in ROWS.items():
        for path in sorted(out.glob(f"{row}-seed[0-9]*/scores.json")):
            figures = _figures(path)
            if "objective" in difference:
                figures["published"] = None  # that figure is of another objective
            rows += [{"row": row, "recipe": recipe, "unlike": unlike, **figures}]
    head = "| row | recipe | its published mAP@10 | R@1 | R@10 | mAP@10 | steps | unlike it |"
    lines = [head, "| --- " * 8 + "|"]
    for one in rows:
        published = one["published"]
        cells = [_cell(one["metrics"][name]) for name in ("R@1", "R@10", "mAP@10")]
        lines.append(
            f"| {one['row']} | `{one['recipe']}` | {'' if published is None else published} | "
            f"{' | '.join(cells)} | {one['steps']} | {one['unlike']} |"
        )
    return "\n".join(lines), rows


def _figures(path: Path) -> dict[str, Any]:
    scores = json.loads(path.read_text(encoding="utf-8"))
    published = (scores["published"] or {}).get("scores", {}).get("mAP@10")
    lines = (path.parent / "metrics.csv").read_text(encoding="utf-8").splitlines()
    last = dict(zip(lines[0].split(","), lines[-1].split(","), strict=True))
    return {
        "seed": scores["seed"],
        "clips": scores["clips"],
        "n": scores["n"],
        "metrics": scores["metrics"],
        "published": published,
        "steps": int(last["step"]),
        "minutes": float(last["seconds"]) / 60,
    }


def _cell(figure: dict[str, Any]) -> str:
    low, high = figure["ci95"]
    return f"{figure['value']:.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    """Run rows, or print their table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="the folder of clips.jsonl")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", nargs="*", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[1])
    parser.add_argument("--wordnet", default=None, help="the folder of WordNet's database")
    parser.add_argument("--table", type=Path, help="write the table here (.md and .json)")
    given = parser.parse_args()
    if given.table is not None:
        text, rows = table(given.out)
        given.table.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
        given.table.with_suffix(".json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
        print(text)
        return
    from soundseek.lab.teachers.minilm import default_folder

    places = {
        "DATA": str(given.data),
        "YAMNET": str(given.data / "weights" / "yamnet" / "yamnet.tflite"),
        "MINILM": str(default_folder()),
        "WORDS": str(word_vectors(given.data, given.out)),
        "WORDNET": given.wordnet,
    }
    for seed in given.seeds:
        for row in given.rows:
            run_row(row, seed, places, given.out)


if __name__ == "__main__":
    main()
