"""Captions cut into words as the COCO tools cut them: Penn Treebank tokens without punctuation.

With Java it is the COCO tools' own tokeniser (Stanford CoreNLP 3.4.1), without it `ptb`'s.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from soundseek.metrics.captions import ptb
from soundseek.metrics.captions.java import UTF8, JavaError, jar, run

# What the COCO tools leave out. They name brackets, too, but in capitals: -lrb- is a word to them.
PUNCTUATION = frozenset(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"])
_JAR = ("tokenizer", "stanford-corenlp-3.4.1.jar")
_SECONDS, _SECONDS_PER_CAPTION = 120.0, 0.05
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\s]+")


def by_java(captions: Sequence[str], java: str) -> list[str]:
    """Return the words of each caption, joined by single spaces.

    Raises `JavaError` if the tokeniser cannot be started, ends, or loses a line.
    """
    if not captions:
        return []
    name = "edu.stanford.nlp.process.PTBTokenizer"
    command = [java, *UTF8, "-cp", str(jar(*_JAR)), name, "-preserveLines", "-lowerCase"]
    text = "".join(f"{one_line(caption)}\n" for caption in captions)
    limit = _SECONDS + _SECONDS_PER_CAPTION * len(captions)
    lines = run([*command, "-encoding", "UTF-8"], text=text, timeout_s=limit)[0].split("\n")
    if len(lines) != len(captions) + 1 or lines[-1]:
        raise JavaError(f"the tokeniser answered {len(lines) - 1} lines for {len(captions)}")
    return [_words(line.split(" ")) for line in lines[:-1]]


def by_python(captions: Sequence[str]) -> list[str]:
    """Return the words of each caption as `by_java` does, without Java; see `ptb`."""
    return [_words(ptb.tokens(one_line(caption))) for caption in captions]


def one_line(text: str) -> str:
    """Return a text on one line: white space and control characters are single spaces."""
    return _NOT_TEXT.sub(" ", text).strip()


def _words(tokens: Sequence[str]) -> str:
    # A token with a space in it (a number and its fraction) is words for what reads the line.
    return " ".join(" ".join(token for token in tokens if token not in PUNCTUATION).split())
