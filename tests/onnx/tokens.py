"""Token ids of a text, by nothing but the file that `faceshader export onnx` writes beside a model for texts."""

import re

from nltk.stem.porter import PorterStemmer
from uniseg.wordbreak import words as unicode_words

APOSTROPHES = "'\u2019\u2018\u02bc\uff07"
JOINTS = re.compile(f"([{APOSTROPHES}.:_\u2024\uff0e\uff1a\uff3f])")
MARKUP = re.compile(
    r"&(?:#[0-9A-Za-z]{2,}|[0-9A-Za-z]{2,});"
    r"|</?[A-Za-z][0-9A-Za-z]*(?:\s*/?|\s[^<>]*=[^<>]*)>"
)
STEMMER = PorterStemmer()


def is_word(token, rules):
    if rules["tokens"] == "white_space":
        return token.isalpha()
    return any(map(str.isalpha, token)) and not any(map(str.isnumeric, token))


def cut(text, rules):
    """Yields the tokens in lower case, each with whether nothing but an apostrophe parts it from the one before."""
    if rules["tokens"] == "white_space":
        yield from ((token.lower(), False) for token in text.split())
        return
    for part in MARKUP.split(text):
        for word in unicode_words(part):
            if not any(map(str.isalnum, word)):
                continue
            pieces = JOINTS.split(word) if any(map(str.isalpha, word)) else [word]
            for place in range(0, len(pieces), 2):
                follows = place > 1 and pieces[place - 1] in APOSTROPHES and pieces[place - 2] != ""
                if pieces[place]:
                    yield pieces[place].lower().replace("\u00ad", ""), follows


def stems(text, rules):
    stop_words, tokens = set(rules["stop_words"]), list(cut(text, rules))
    place, negated, window = 0, 0, rules["negation_window"]
    while place < len(tokens):
        token, _ = tokens[place]
        place += 1
        mark, negated = ("not_" if negated else ""), max(negated - 1, 0)
        if rules["keep_negations"]:
            verb = re.fullmatch(r"(.+)n['\u2019]t", token)
            if token in ("no", "not", "nor") or verb and verb[1].isalpha():
                negated = window
                yield token.replace("\u2019", "'")
                continue
            following, after_apostrophe = tokens[place] if place < len(tokens) else ("", False)
            is_half = token == "can" or token.endswith("n") and token + "'t" in stop_words
            is_verb = token.endswith("n") and is_word(token, rules)
            if following == "t" and (is_half or after_apostrophe and is_verb):
                place += 1
                negated = window
                yield token + "'t"
                continue
            if token in ("never", "without", "hardly"):
                mark, negated = "", window
        if is_word(token, rules) and token not in stop_words:
            yield mark + STEMMER.stem(token)


def token_ids(text, rules):
    """The ids of a text, `length` of them, and how many of these are words."""
    ids = [rules["ids"][stem] for stem in stems(text, rules) if stem in rules["ids"]]
    if rules["distinct"]:
        ids = list(dict.fromkeys(ids))
    ids = ids[: rules["length"]]
    return ids + [rules["padding"]] * (rules["length"] - len(ids)), len(ids)
