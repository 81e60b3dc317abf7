"""Languages: their codes and names, and the languages of an item's question, audio and answer."""

from dataclasses import dataclass

LANGUAGE_NAMES = {
    "ar": "Arabic",
    "bg": "Bulgarian",
    "bn": "Bengali",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "fa": "Persian",
    "fr": "French",
    "he": "Hebrew",
    "hi": "Hindi",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "mr": "Marathi",
    "ne": "Nepali",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sv": "Swedish",
    "ta": "Tamil",
    "th": "Thai",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "ur": "Urdu",
    "vi": "Vietnamese",
    "yue": "Cantonese",
    "zh": "Chinese",
}
"""English names of languages by code: ISO 639-1 where the language has such a code, else ISO 639-3."""

_THREE_LETTERS = {
    "ara": "ar", "bul": "bg", "ben": "bn", "deu": "de", "ger": "de", "ell": "el", "eng": "en", "spa": "es", "fas": "fa",
    "fra": "fr", "fre": "fr", "heb": "he", "hin": "hi", "ind": "id", "ita": "it", "jpn": "ja", "kor": "ko", "mar": "mr",
    "nep": "ne", "nld": "nl", "dut": "nl", "pol": "pl", "por": "pt", "ron": "ro", "rus": "ru", "swe": "sv", "tam": "ta",
    "tha": "th", "tur": "tr", "ukr": "uk", "urd": "ur", "vie": "vi", "cmn": "zh", "zho": "zh", "chi": "zh",
}  # fmt: skip
"""Codes of three letters (ISO 639-3 and 639-2) of the languages above."""

WRITTEN_AS = {"yue": "zh"}
"""Languages that are written as another one. Most formal Cantonese texts are written in standard Chinese, so that a
text does not show which of the two its writer speaks."""


@dataclass(frozen=True, slots=True)
class ItemLanguages:
    """Languages of one item, as codes of `LANGUAGE_NAMES`; None where a language is not known."""

    question: str | None = None
    """Language of the question, written or spoken."""

    audio: str | None = None
    """Language that is spoken in the item's clip; None also for a clip without speech."""

    answer: str | None = None
    """Language in which the answer is expected."""

    question_id: str | None = None
    """Id that a question has in common with its translations. Items with the same id are compared across languages."""


def normalise_language(code: str) -> str:
    """Return the code by which this project names a language: `de` for `deu`, `de-AT` and `DE`, `zh` for `cmn`.

    A code of an unknown language is returned in lower case and without its region.
    """
    base = code.strip().lower().replace("_", "-").partition("-")[0]
    return _THREE_LETTERS.get(base, base)


def format_language_name(code: str | None) -> str:
    """Return the English name of a language with its code, such as `German (de)`; the code alone if it has no name;
    `not known` for None."""
    if code is None:
        return "not known"
    name = LANGUAGE_NAMES.get(normalise_language(code))
    return code if name is None else f"{name} ({normalise_language(code)})"
