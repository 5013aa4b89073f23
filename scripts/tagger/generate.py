"""Makes labelled documents from templates and made values: prose, records, chat, and leaves of JSON."""

import datetime
import json
import pathlib
import re
import sys

import members
from values import COMPANY_NOUNS as NOUNS
from values import Values

KINDS = {
    "person": "PERSON", "first": "PERSON", "last": "PERSON", "city": "LOCATION", "country": "LOCATION", "state": "LOCATION",
    "place": "LOCATION", "street": "STREET_ADDRESS", "address": "STREET_ADDRESS", "zip": "STREET_ADDRESS",
    "company": "ORGANIZATION", "date": "DATE_TIME", "nrp": "NRP", "prefix": "TITLE", "job": "TITLE",
}
CHOICE = re.compile(r"\[([^\[\]]*\|[^\[\]]*)\]")
SLOT = re.compile(r"\{(\w+)\}")


class Maker:
    def __init__(self, seed):
        self.values = Values(seed)
        self.random = self.values.random
        folder = pathlib.Path(__file__).parent
        lines = (folder / "templates.txt").read_text(encoding="utf-8").splitlines()
        self.templates = [line.replace("\\n", "\n").replace("\\t", "\t") for line in lines if line and not line.startswith("# ")]

    def other(self, slot):
        """What is not sought: numbers, times, identifiers."""
        values = self.values
        number = values.random.randrange
        return {
            "phone": lambda: values.digits(values.pick(["###-###-####", "(###) ###-####", "+## ### ######", "### ####", "+1 ### ### ####", "0## ########", "##-##-##-##", "0### ## ## ##", "(##) ###-###", "###.###.####", "0##/#######", "###-###-####x###", "## ### ###", "##########"])),
            "email": lambda: f"{values.pick(values.pool).lower()}{number(99)}@{values.pick(['example.com', 'mail.test', 'corp.example', 'example.org'])}",
            "id": lambda: values.digits(values.pick(["########", "??-####", "#####", "???######", "####-####", "INV-#####", "#######-#"])),
            "mrn": lambda: values.digits(values.pick(["#######", "MRN-######", "########"])),
            "number": lambda: str(number(2, 99)), "amount": lambda: values.pick(["$", "€", "£", "USD ", ""]) + f"{number(5, 90000):,}" + values.pick(["", ".00", ".50"]),
            "time": lambda: f"{number(1, 12)}:{number(60):02}" + values.pick([" pm", "am", "", " AM"]), "year": lambda: str(number(1850, 2027)),
            "weekday": lambda: values.pick(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]),
            "month": lambda: f"{number(1, 13):02}/{number(24, 34)}", "card": lambda: values.digits("4### #### #### ####"), "iban": lambda: values.digits("DE## #### #### #### #### ##"),
            "ip": lambda: f"{number(256)}.{number(256)}.{number(256)}.{number(256)}", "hash": lambda: f"{number(1 << 40):010x}", "seat": lambda: values.digits("##?"),
            "url": lambda: self.url(), "mac": lambda: ":".join(f"{number(256):02X}" for _ in range(6)), "ipv6": lambda: ":".join(f"{number(65536):x}" for _ in range(8)),
            "user": lambda: values.pick(values.pool).lower() + values.pick(["_", "", "."]) + str(number(99)),
            "version": lambda: f"{number(9)}.{number(20)}.{number(20)}", "timestamp": lambda: f"20{number(20, 27)}-{number(1, 13):02}-{number(1, 29):02}T{number(24):02}:{number(60):02}:{number(60):02}Z",
        }[slot]()

    def url(self):
        values = self.values
        host = values.pick([values.pick(values.pool), values.invented(), "".join(values.pick(NOUNS) for _ in range(2))])
        host = host if values.odds(0.4) else host.lower()
        host = re.sub(r"\W", "", host) + values.pick([".com", ".org", ".net", ".es", ".de", ".hu", ".tn", ".co.uk", ".io"])
        return values.pick(["https://", "http://", "https://www.", "http://www.", "www.", ""]) + host + values.pick(["", "/", "/about", "/Contact-Us", f"/items/{values.random.randrange(999)}"])

    def value(self, slot, bound):
        values = self.values
        if slot[0] in "AB" and slot[1:] in ("", "1", "2"):
            if slot[0] not in bound:
                bound[slot[0]] = values.parts()
            given, surname = bound[slot[0]]
            return {"": f"{given} {surname}", "1": given, "2": surname}[slot[1:]], "PERSON"
        if slot == "C":
            return bound.setdefault("C", values.company()), "ORGANIZATION"
        if slot in KINDS:
            return getattr(values, slot)(), KINDS[slot]
        return self.other(slot), None

    def fill(self, template, bound):
        while (found := CHOICE.search(template)):
            template = template[:found.start()] + self.random.choice(found[1].split("|")) + template[found.end():]
        parts, at = [], 0
        for found in SLOT.finditer(template):
            parts += [(template[at:found.start()], None), self.value(found[1], bound)]
            at = found.end()
        return parts + [(template[at:], None)]

    def document(self):
        bound, parts = {}, []
        count = self.random.choices([1, 2, 3, 5, 8], weights=[50, 18, 14, 12, 6])[0]
        glue = self.random.choice([" ", " ", "\n", "\n\n"])
        for number in range(count):
            if number:
                parts.append((glue, None))
            parts += self.fill(self.random.choice(self.templates), bound)
        return self.cased(parts)

    def cased(self, parts):
        draw = self.random.random()
        if draw < 0.12:
            return [(text.lower(), kind) for text, kind in parts]
        if draw < 0.15:
            return [(text.upper(), kind) for text, kind in parts]
        if draw < 0.20:
            return [(text.upper() if kind else text, kind) for text, kind in parts]
        if draw < 0.23:
            return [(text.lower() if kind else text, kind) for text, kind in parts]
        return parts


def labelled(parts):
    text, spans = "", []
    for part, kind in parts:
        if kind and part:
            spans.append({"start": len(text), "end": len(text) + len(part), "type": kind})
        text += part
    return text, spans


def main(out, seed=7, documents=34_000, leaves=14_000):
    maker = Maker(int(seed))
    with open(pathlib.Path(out) / "made.jsonl", "w", encoding="utf-8") as file:
        for number in range(int(documents) + int(leaves)):
            keys = []
            if number < int(documents):
                parts = maker.document()
            else:
                keys, parts = members.leaf(maker)
            text, spans = labelled(parts)
            line = {"id": f"made-{number:06}", "text": text, "keys": keys, "spans": spans}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
