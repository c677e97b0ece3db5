"""Put the figures of other systems beside a model's own in its card.

    python bench/model/card.py BUNDLE docs/results/embedded_model.json --out FOLDER

The JSON is what bench/embedded_model.py writes, with the model among its columns. FOLDER becomes
the same bundle with a wider table of scores, and so with a fingerprint of its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from soundseek.bundle.load import load_bundle
from soundseek.bundle.schema import AUDIO_FILE, CARD_FILE, TEXT_FILE, TOKENIZER_FILE
from soundseek.bundle.write import write_bundle
from soundseek.errors import BundleError
from soundseek.lab.scorecard import table


def main() -> None:
    """Write the bundle with the wider card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    manifest = load_bundle(options.bundle).manifest
    cards = json.loads(options.results.read_text(encoding="utf-8"))
    own = cards.pop(manifest.name, None)
    text = (options.bundle / CARD_FILE).read_text(encoding="utf-8")
    narrow = table({manifest.name: dict(manifest.provenance.scores)})
    if own is None or narrow not in text:
        raise BundleError(
            f"{options.results} or the card of {options.bundle} lacks scores of {manifest.name}",
            remedy="run bench/embedded_model.py --models on this bundle first",
        )
    wide = table({manifest.name: own, **cards})
    written = write_bundle(
        options.out,
        dataclasses.replace(manifest, files={}),
        audio_onnx=options.bundle / AUDIO_FILE,
        text_onnx=options.bundle / TEXT_FILE,
        tokenizer_json=(options.bundle / TOKENIZER_FILE).read_text(encoding="utf-8"),
        model_card=text.replace(narrow, wide),
    )
    load_bundle(written).verify()
    print(f"wrote {written}")


if __name__ == "__main__":
    main()
