from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from soundseek.metrics.captions.java import JavaError, find_java
from soundseek.metrics.captions.ptb import tokens
from soundseek.metrics.captions.tokens import by_java, by_python, one_line
from support.captions import PREDICTIONS, REFERENCES, program

# What the COCO tools' tokeniser makes of them, punctuation left out.
AWKWARD = {
    "It's a dog's bark, isn't it? They'll can't.": "it 's a dog 's bark is n't it they 'll ca n't",
    "I'm here; you're late: we've gone, she'd go": "i 'm here you 're late we 've gone she 'd go",
    "it cannot, gonna, 'tis, won't DON'T": "it can not gon na 't is wo n't do n't",
    "“curly” ‘quotes’ don’t": "curly quotes do n't",
    "well-known re-start one-by-one t-shirt": "well-known re-start one-by-one t-shirt",
    "a--b, a - b – c — d": "a b a b c d",
    "10:30 2.5 1,000 50% $5 1/2 2 1/2 90's 1st 5km -5 +3 #1":
        "10:30 2.5 1,000 50 % $ 5 1/2 2 1/2 90 's 1st 5km -5 +3 # 1",
    "Mr. Smith vs. the U.S. etc. at 5 a.m.": "mr. smith vs. the u.s. etc. at 5 a.m.",
    "the end. no. No. 5 fig. 3 hr., min.": "the end no no. 5 fig. 3 hr. min",
    "a/b and/or w/o AT&T R&B rock & roll": "a/b and/or w/o at&t r&b rock & roll",
    "(round) [square] {curly}": "-lrb- round -rrb- -lsb- square -rsb- -lcb- curly -rcb-",
    "wait... what?! wow!! .... …": "wait what ?! wow !!",
    "a ||| b": "a | | | b",
    "café naïve über 日本語 鳥の声": "café naïve über 日本語 鳥の声",
    "e\u0301cole dog🐶barks ½ x²": "e\u0301cole dog barks 1/2 x ²",
    "tab\there\nline\r\nend\u2028x\u00a0y\u200bz\x00q": "tab here line end x y z q",
    "o'clock ma'am y'all rock 'n' roll": "o'clock ma'am y' all rock 'n' roll",
    "Tom &amp; &quot;Jerry&quot;": "tom & jerry",
    "": "",
    " .,! ": "",
}  # fmt: skip
FROM_TESTS = [*PREDICTIONS.values(), *(t for texts in REFERENCES.values() for t in texts)]

SPECIAL = (
    "a The dog's isn't won't it's they're I'm we've cannot tin-roof re-start x-ray mr. Dr. U.S. "
    "etc. vs. a.m. st. & 3 12 2.5 1,000 10:30 1/2 50% 5km 2nd 90's o'clock 'tis café 鳥 "
    '"loud" (far) ‘soft’ “near” dogs\' ... -- – — - … a--b tin_roof'
)
_words = st.one_of(
    st.text("abcdefghijklmnopqrstuvwxyzéüß", min_size=6, max_size=9),
    st.sampled_from(SPECIAL.split()),
)
_ends = st.sampled_from(["", "", "", "", ",", ".", "!", "?", ";", ":"])
_captions = st.lists(
    st.tuples(_words, _ends).map("".join), min_size=1, max_size=10
).map(" ".join)  # fmt: skip


@pytest.mark.parametrize("caption", AWKWARD, ids=ascii)
def test_awkward_captions(caption: str) -> None:
    assert by_python([caption]) == [AWKWARD[caption]]


def test_java_agrees_on_awkward_captions(java: str) -> None:
    captions = [*AWKWARD, *FROM_TESTS]
    assert by_java(captions, java)[: len(AWKWARD)] == list(AWKWARD.values())
    assert by_java(captions, java) == by_python(captions)


def test_words_as_the_coco_tools_gave_them() -> None:
    path = Path(__file__).with_name("coco_scores.json")
    recorded = json.loads(path.read_text(encoding="utf-8"))["words"]
    for clip, words in recorded.items():
        assert by_python([PREDICTIONS[clip], *REFERENCES[clip]]) == words


@pytest.mark.slow
@pytest.mark.skipif(find_java() is None, reason="there is no Java here")
@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(st.lists(_captions, min_size=40, max_size=80))
def test_java_agrees_on_what_captions_are_made_of(captions: list[str]) -> None:
    java = find_java()
    assert java is not None
    found = zip(captions, by_java(captions, java), by_python(captions), strict=True)
    assert [each for each in found if each[1] != each[2]] == []


@given(st.text())
def test_any_text_is_cut(text: str) -> None:
    (words,) = by_python([text])
    assert words == " ".join(words.split())
    assert "\n" not in one_line(text)
    assert all(tokens(text))


def test_a_locale_changes_nothing(java: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "POSIX")
    assert by_java(["Vögel, “鳥”"], java) == ["vögel 鳥"]


def test_no_captions(java: str) -> None:
    assert by_java([], java) == []


def test_a_program_that_loses_lines(tmp_path: Path) -> None:
    fake = program(tmp_path / "java", "sys.stdin.read(); print('one line')")
    with pytest.raises(JavaError, match="answered 1 lines for 2"):
        by_java(["a", "b"], str(fake))
