"""Takes prose from the documentation of the crates in Cargo.lock, where hardly anybody is named.

Words that spaCy's en_core_web_md takes for names, places or organisations are marked UNSURE: the trainer learns
nothing from them, and from all others that they are not sought.
"""

import json
import pathlib
import random
import re
import sys

import spacy

UNSURE = {"PERSON", "GPE", "LOC", "FAC", "ORG", "NORP", "DATE", "TIME"}


def paragraphs(registry):
    """Paragraphs of README and change logs, and comments of documentation."""
    for path in sorted(pathlib.Path(registry).glob("*/*/*.md")):
        text = path.read_text(encoding="utf-8", errors="ignore")
        yield from re.split(r"\n\s*\n", text)
    for path in sorted(pathlib.Path(registry).glob("*/*/src/lib.rs")):
        lines = [line[3:].strip() for line in path.read_text(encoding="utf-8", errors="ignore").splitlines() if line.startswith("//!")]
        yield from re.split(r"\n\s*\n", "\n".join(lines))


def main(model, registry, out, limit=4000):
    chosen = sorted({text.strip() for text in paragraphs(registry) if 40 < len(text) < 700})
    random.Random(7).shuffle(chosen)
    nlp = spacy.load(model, disable=["tagger", "parser", "attribute_ruler", "lemmatizer"])
    with open(pathlib.Path(out) / "negatives.jsonl", "w", encoding="utf-8") as file:
        for number, document in enumerate(nlp.pipe(chosen[: int(limit)], batch_size=64)):
            spans = [{"start": found.start_char, "end": found.end_char, "type": "UNSURE"} for found in document.ents if found.label_ in UNSURE]
            file.write(json.dumps({"id": f"negative-{number:05}", "text": document.text, "spans": spans}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
