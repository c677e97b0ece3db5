"""Rehearsals of systems that no step is tried of: what they need is looked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soundseek.lab.problems import Problem, Problems
from soundseek.lab.run_folder import RunFolder

if TYPE_CHECKING:
    from soundseek.lab.distilled.recipe import Recipe
    from soundseek.lab.recipe_files import RecipeBase
    from soundseek.lab.retrieval.caption_match import CaptionMatchRecipe

Say = Callable[[str], None]


@dataclass(frozen=True)
class PlainRehearsal:
    """What was looked at and is there, what was not looked at, and what is wrong."""

    name: str
    checked: tuple[str, ...]
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]

    def document(self) -> dict[str, Any]:
        """As JSON would hold it."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """As people read it."""
        yield self.name
        yield from (f"checked   {line}" for line in self.checked)
        yield from (f"note      {line}" for line in self.notes)


def rehearse_distilled(
    recipe: Recipe, run_folder: Path | None = None, say: Say = print
) -> PlainRehearsal:
    """Clips and captions of an embedded model, by what they say of themselves."""
    from soundseek.lab.data.manifest import read_clips_jsonl, select
    from soundseek.lab.devices import check_devices
    from soundseek.lab.teachers.yamnet import load_yamnet

    problems, checked = begun(recipe, run_folder), []
    folder = Path(recipe.data.folder)
    with problems.collecting("data.folder"):
        clips = read_clips_jsonl(folder / "clips.jsonl")
        for split, quality in (("train", 0), ("validation", 2)):
            part = select(clips, split=split, tiers=recipe.data.tiers, min_quality=quality)
            hours = sum(clip.duration_s for clip in part) / 3600
            checked.append(f"{split}: {len(part):,} clips, {hours:.2f} h")
            if not part:
                problems.add(
                    "data.tiers",
                    f"no {split} clip in tiers {', '.join(recipe.data.tiers)}",
                    "set data.tiers to tiers of clips.jsonl",
                )
    with problems.collecting("data.folder"):
        load_yamnet(folder / "weights" / "yamnet" / "yamnet.tflite")
        checked.append("the sound teacher's file")
    for more in recipe.data.unlabelled:
        with problems.collecting("data.unlabelled"):
            unlabelled = select(read_clips_jsonl(Path(more) / "clips.jsonl"), split="train")
            hours = sum(clip.duration_s for clip in unlabelled) / 3600
            checked.append(f"without captions: {len(unlabelled):,} clips, {hours:.2f} h")
            if not unlabelled:
                problems.add(
                    "data.unlabelled",
                    f"{more}: no clips of the split train",
                    "take the folder out of data.unlabelled",
                )
    with problems.collecting("run.device"):
        check_devices(recipe.run.device, 1, "bf16")
    return _ended(recipe.name, problems, checked, _UNTRIED)


def rehearse_caption_match(
    recipe: CaptionMatchRecipe, run_folder: Path | None = None, say: Say = print
) -> PlainRehearsal:
    """Test clips, their generated captions, and what compares texts in a caption-then-match
    system."""
    from soundseek.lab.caption_matching.generated import Generated, generated_for, read_generated
    from soundseek.lab.retrieval.caption_match import comparison_of
    from soundseek.lab.retrieval.clips import test_clips

    problems, checked = begun(recipe, run_folder), []
    clips, written = [], None
    with problems.collecting("data.test"):
        clips = test_clips(recipe.data, say)
        checked.append(f"test: {len(clips):,} clips")
    with problems.collecting("captions"):
        written = read_generated(Path(recipe.captions))
    # What compares texts is looked at even where there are no captions to compare.
    generated = Generated(["a dog barks"], [[0]], 0, 0)
    if clips and written is not None:
        with problems.collecting("captions"):
            generated = generated_for(clips, written, recipe.captions)
            checked.append(generated.told())
    with problems.collecting("bundle" if recipe.compare == "bundle" else "text"):
        comparison_of(recipe, generated, sorted({q for clip in clips for q in clip.captions}))
        checked.append(_compared(recipe))
    return _ended(recipe.name, problems, checked, _NOTHING_LEARNT)


def _compared(recipe: CaptionMatchRecipe) -> str:
    if recipe.compare == "embedding" and recipe.text is not None:
        return f"the text encoder {recipe.text.encoder} is there"
    if recipe.compare == "bundle":
        return f"the bundle {recipe.bundle or 'of the embedded model'} is there"
    return f"texts are compared by {recipe.compare}, which needs no model"


_UNTRIED = (
    "recipe, clip list and run folder alone were checked: no sound was opened, no teacher loaded, "
    "no step made, and there is no estimate",
)
_NOTHING_LEARNT = ("nothing is trained: no step was made, and there is no estimate",)


def begun(recipe: RecipeBase, run_folder: Path | None) -> Problems:
    """Problems to be filled; the first is a run folder of another recipe."""
    problems = Problems()
    if run_folder is not None:
        with problems.collecting("--out"):
            RunFolder(run_folder).check(recipe)
    return problems


def _ended(
    name: str, problems: Problems, checked: list[str], notes: tuple[str, ...]
) -> PlainRehearsal:
    return PlainRehearsal(name, tuple(checked), notes, tuple(problems))
