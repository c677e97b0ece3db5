"""Penn Treebank tokens without Java: what Stanford's tokeniser makes of captions.

Written after the behaviour of `PTBTokenizer -preserveLines -lowerCase` of CoreNLP 3.4.1, by trial.
As there, the longest token that can begin at a place is taken. Not modelled, since captions do not
have them: web and e-mail addresses, telephone numbers, HTML, smileys, other scripts' punctuation.
"""

from __future__ import annotations

import re
import unicodedata

_APOSTROPHE = r"['’´`\x92]"
# Written together, said apart: the length of the first part.
_TWO_WORDS = {
    "cannot": 3,
    "gonna": 3,
    "gotta": 3,
    "gimme": 3,
    "lemme": 3,
    "wanna": 3,
    "'tis": 2,
    "'twas": 2,
    "’tis": 2,
    "’twas": 2,
}
# They keep the full stop behind them; groups by when.
_ALWAYS = (
    "mr mrs ms dr drs prof sens sen rep reps gov attys atty supt det rev insp cpl sgt pvt lt gen "
    "capt col maj cmdr adm brig st ave blvd ct etc vs al seq inc co cos corp ppty ptys pty ltd plc "
    "bancorp dept assn bhd univ intl sys est ext sq jr sr bros mt ft jan feb mar apr jun jul aug "
    "sept sep oct nov dec mon tue tues wed thu thurs fri pres ph.d md m.d cf rd mfg asst natl ind "
    "bldg tel messrs mme mlle hon lieut wm jos ala ariz calif colo conn fla ga kans kan ky mich "
    "minn mo mont neb nev okla penn tenn va vt wis wyo invt elec mtg treas adj adv s.p.a rt assoc "
    "cie ste"
)
_CAPITALISED = "Miss Ark Del Ill La Mass Ore Pa Tex Wash"
# After these a sentence begins, so that the stop behind a single letter is its end.
_BEGINNINGS = (
    "A An And As At But He Her Here If In It She So Some That The Then There They This We When "
    "While You"
)
_BEFORE_NUMBERS = "pp fig figs no nos ca prop op art"

_WORD = r"[^\W\d_][^\W_]*(?:[.!?][^\W\d_][^\W_]*)*"
_TAIL = r"(?:[sSmMdD]|ll|LL|re|RE|ve|VE)(?![^\W_])"
# What a group encloses is the token; all that a pattern matches decides which one is longest.
_PATTERNS = {
    "word": _WORD,
    "underlined": r"[^\W_]+(?:(?:_+|-)[^\W_]+)+",
    "hyphenated": r"[A-Za-z0-9][A-Za-z0-9.,]*(?:-[A-Za-z0-9]+)+",
    "joined": r"(?:[dDoOlL]['’](?=[^\W\d_]))?[^\W_]+(?:-(?:[dDoOlL]['’](?=[^\W\d_]))?[^\W_]+)*",
    "slashed": r"[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}(?:/[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}){1,2}",
    "number": r"[-+]?(?:\d+(?:[.:,]\d+)*|(?:[.:,]\d+)+)",
    "decade": r"['’][2-9]0s(?![^\W_])",
    "year": r"['’]\d\d(?=\s|$)",
    "fraction": r"(?:\d{1,4}[- ])?\d{1,4}/\d{1,4}",
    "date": r"\d{1,2}[-/]\d{1,2}[-/]\d{2,4}",
    "companies": r"[A-Z]+(?:[+&][A-Z]+)+",
    "letter": rf"[A-Za-z]\.(?!\s+(?:{'|'.join(_BEGINNINGS.split())})\b)",
    "acronym": r"[A-Za-z](?:\.[A-Za-z])+\.",
    "abbreviation": rf"(?i:{'|'.join(map(re.escape, _ALWAYS.split()))})\.",
    "state": rf"(?:{'|'.join(_CAPITALISED.split())})\.",
    "numbered": rf"((?i:{'|'.join(_BEFORE_NUMBERS.split())})\.) ?\d",
    "stopped": rf"({_WORD}\.)[,;:]",
    "before_ending": rf"([^\W_]+)['’]{_TAIL}",
    "ending": rf"['’]{_TAIL}",
    "before_not": r"([^\W_]+)[nN]['’][tT](?![^\W_])",
    "not": r"[nN]['’][tT](?![^\W_])",
    "spoken": r"['’](?:[nN]['’]?|[eE][mM]|[cC]ause|[tT]is|[tT]was)(?![^\W_])",
    "elided": r"(?:[lLdDjJyY]|[oO]l|[sS]omethin|[nN]othin|[dD]unkin)['’]",
    "omitting": r"[mM]a['’]am|[oO]['’]er|[nN]e['’]er",
    "programming": r"[cC]\+\+",
    "named": r"@[A-Za-z_]\w*|#[^\W\d_]+",
    "dots": r"\.\.\.+|(?:\. ){2,}\.|…",
    "dashes": r"-{2,}|[–—―]",
    "marks": r"[?!]+|''",
    "repeated": r"\*+|_+|~+|=+|#+|@+",
    "other": r"\S",
}
_TOKENS = [re.compile(pattern) for pattern in _PATTERNS.values()]
# Most tokens are words between spaces; nothing longer can begin there.
_PLAIN = re.compile(r"[^\W\d_]+(?=\s|$)")
_ENTITIES = {"&amp;": "&", "&quot;": '"', "&apos;": "'", "&lt;": "<", "&gt;": ">", "&nbsp;": " "}
_ENTITY = re.compile("|".join(_ENTITIES))
# Emoji and the rest beyond 16 bits are dropped, as are marks without width; figures that are
# letters to Python stand alone; accents that are characters of their own belong to the word.
_NOTHING = "\u200b\ufeff"
_FIGURES = "²³¹½¼¾"
_SOFT_HYPHEN = "\u00ad"
_NORMAL = {
    "(": "-lrb-",
    ")": "-rrb-",
    "[": "-lsb-",
    "]": "-rsb-",
    "{": "-lcb-",
    "}": "-rcb-",
    "…": "...",
    "–": "--",
    "—": "--",
    "―": "--",
    "“": "``",
    "”": "''",
    '"': "''",
    "«": "``",
    "»": "''",
    "‹": "`",
    "›": "'",
    "‘": "`",
    "’": "'",
    "£": "#",
    "€": "$",
    "¢": "cents",
    "½": "1/2",
    "¼": "1/4",
    "¾": "3/4",
}


def tokens(text: str) -> list[str]:
    """Return the tokens of a line of text, punctuation included, in lower case."""
    text = _ENTITY.sub(lambda entity: _ENTITIES[entity[0]], text).replace(_SOFT_HYPHEN, "")
    shadow = text if text.isascii() else "".join(map(_seen_as, text))
    found: list[str] = []
    place = 0
    while place < len(shadow):
        if shadow[place].isspace():
            place += 1
            continue
        end = place + len(_longest(shadow, place))
        found += _said(text[place:end])
        place = end
    return found


def _seen_as(char: str) -> str:
    """What the patterns see in place of a character that Java's tokeniser takes another way."""
    if char > "\uffff" or char in _NOTHING:
        return " "
    if char in _FIGURES:
        return "$"
    return "x" if unicodedata.category(char).startswith("M") else char


def _longest(text: str, place: int) -> str:
    if plain := _PLAIN.match(text, place):
        return plain[0]
    matches = [match for pattern in _TOKENS if (match := pattern.match(text, place))]
    longest = max(matches, key=lambda match: match.end())
    return longest[1] if longest.lastindex else longest[0]


def _said(token: str) -> list[str]:
    lower = token.lower()
    if len(token) > 1 and not token.strip(".-"):
        return ["..." if token[0] == "." else "--"] if len(token) > 2 else [token]
    if lower in _TWO_WORDS:
        parts = [lower[: _TWO_WORDS[lower]], lower[_TWO_WORDS[lower] :]]
    else:
        parts = [lower]
    return [_NORMAL.get(part, part.replace("’", "'")) for part in parts]
