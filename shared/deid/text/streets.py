"""Postal addresses: street lines, post-office boxes, towns with their state, ZIP codes and postcodes.

Told by form: a number, capitals, the word for a kind of street. Left out: a state by itself, which may be told (45
CFR 164.514(b)(2)(i)(B)).
"""

import re
from collections.abc import Container, Iterator

from shared.deid.text.lexicon import plain
from shared.deid.text.port import Label, Span

UNITS = (
    r"(?:, ?\d{1,3}[A-Z]\b|,? ?(?i:apt|apartment|unit|suite|ste|#|ph|penthouse|rm|floor|fl|flat|trlr|trailer|space|spc"
    r"|bldg|lot|no)"
    r"\.? ?#?[\w-]{1,6})"
)
_ENDS = (
    r"street|st|avenue|ave|av|road|rd|lane|ln|drive|dr|boulevard|blvd|court|ct|place|pl|terrace|ter|terr|way|circle|cir|trail"
    r"|trl|parkway|pkwy|highway|hwy|square|sq|loop|row|alley|close|crescent|cres|mews|gardens|gdns|grove|walk|path|pike|turnpike"
    r"|route|rte|run|crossing|point|pt|plaza|plz|view|ridge|heights|hts|hill|hollow|bend|landing|esplanade|promenade|quay|wharf"
    r"|green|causeway|expressway|junction|vale|rise|glen|park|drove|parade|broadway|overlook|trace|cove|bypass|bluff|fork|creek"
    r"|mall|spur|lodge|house|lp|pk|wy|tpke|rdg|hl|knoll|knl|cv|br|mdws|lndg|vly"
)
ENDS = rf"(?i:{_ENDS})"
KINDS = frozenset(_ENDS.split("|"))
_NAME = r"[A-Z][\w’'.-]*"
_COMPASS = r"(?:[NSEW]|[NS][EW])"
_LINES = (
    re.compile(
        rf"(?<![\w./-])\d{{1,6}}[A-Za-z]?(?:[-/]\d+)?,? (?:(?:{_COMPASS}|North|South|East|West)\.? )?"
        rf"(?:(?:{_NAME}|\d+(?:st|nd|rd|th)|of|the|de|la|del) ){{1,4}}{ENDS}\b\.?(?: {_COMPASS}\b\.?)?{UNITS}*"
    ),
    re.compile(
        rf"(?<![\w./-])\d{{1,6}},? (?:Avenida|Avenue|Calle|Camino|Via|[Rr]ue|[Bb]oulevard|calle|[Cc]hemin|Paseo|Rancho|Highway"
        rf"|Hwy|Route|Rte|County Road|CR|State Route|SR|US)\.? (?:(?:de|la|del|las|los|du|des) )*(?:[A-Z][\w’'-]*|\d+)"
        rf"(?: [A-Z][\w’'-]*)?{UNITS}?"
    ),
    re.compile(rf"\b(?:Flat|Apt|Apartment|Unit|Suite) #?\d+[A-Za-z]?, \d+[A-Za-z]? {_NAME}(?: {_NAME}){{0,3}}"),
)
_SMALL_LINE = re.compile(
    r"(?<![\w./-])\d{2,6} (?:(?:[a-z’']+|\d+(?:st|nd|rd|th)) ){1,2}(?:street|st|avenue|ave|road|rd|lane|ln|drive|blvd|boulevard"
    rf"|court|terrace|hwy|highway|parkway|pkwy)\b\.?{UNITS}?"
)
_NUMBER_LAST = re.compile(
    rf"\b(?:Avenida|Calle|Rua|Via|Camino|Carrera) (?:(?:de|la|del|las|los|da|do) )*{_NAME}(?: {_NAME})? \d{{1,5}}\b"
)
_ROAD = re.compile(r"\b(?:Rte|Route|Hwy|Highway|Interstate|County Road|State Route|State Road)\.? \d{1,4}\b")
_BOX = re.compile(r"\bp\.? ?o\.? box \d+\b|\bbox \d{2,}\b")
_KIND = r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Boulevard|Blvd|Highway|Hwy|Parkway|Pkwy|Terrace|Place|Court|Square|Way)"
_NO_NUMBER = re.compile(rf"\b(?:on|at|of|off) ((?:[A-Z][\w’']+ ){{1,3}}{_KIND})\b")
_AVENUE = re.compile(r"(?<=[a-z,;] )(?:[A-Z][\w’']+ ){1,2}(?:Avenue|Boulevard|Blvd|Parkway|Pkwy|Turnpike)\b")
_NO_NUMBER_SMALL = re.compile(r"(?<=\bon )(?:[a-z]+ ){1,2}(?:street|avenue|boulevard|blvd|road|lane|parkway|highway)\b")
_STATES = (
    "AL|AK|AZ|AR|CA|CO|CT|DE|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|NC|ND|OH|OK|OR|PA|RI|SC|SD|TN"
    "|TX|UT|VT|VA|WA|WV|WI|WY|DC|PR"
)
_STATE_NAMES = (
    "Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|Idaho|Illinois|Indiana|Iowa"
    "|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri|Montana|Nebraska|Nevada"
    "|New Hampshire|New Jersey|New Mexico|New York|North Carolina|North Dakota|Ohio|Oklahoma|Oregon|Pennsylvania|Rhode Island"
    "|South Carolina|South Dakota|Tennessee|Texas|Utah|Vermont|Virginia|Washington|West Virginia|Wisconsin|Wyoming"
)
_CREDENTIALS = frozenset(("MD", "PA", "MA", "MS", "ND", "DC", "CT", "OT", "LA", "ME"))  # states that people bear too
_TOWN_AND_STATE = re.compile(  # with a comma, or with a ZIP code: "Member ID" is no town in Idaho
    rf"\b((?:St\. )?[A-Z][\w’']*(?: [A-Z][\w’']*){{0,2}})"
    rf"(?:, (?:({_STATES})\b|(?:{_STATE_NAMES})\b)(?:,? (\d{{5}}(?:-\d{{4}})?)\b)?|,? (?:{_STATES}),? (\d{{5}}(?:-\d{{4}})?)\b)"
)
_ZIP = re.compile(r"\b(?:zip(?: code)?|postal code)[ :]*(\d{5}(?:-\d{4})?)\b|\b(\d{5}-\d{4})\b")
_POSTCODE = re.compile(r"\b(?:[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}|[A-CEGHJ-NPR-TVXY]\d[A-Z] ?\d[A-Z]\d)\b")


def addresses(text: str, low: str, *, careless: bool, towns: Container[str]) -> Iterator[Span]:
    """The addresses of a text; `low` is the text in small letters, `careless` says that nobody typed capitals."""
    for pattern in _LINES:
        yield from (Span(*match.span(), Label.LOCATION) for match in pattern.finditer(text))
    small = (_SMALL_LINE, _BOX, _NO_NUMBER_SMALL) if careless else (_SMALL_LINE, _BOX)
    for pattern in small:
        yield from (Span(*match.span(), Label.LOCATION) for match in pattern.finditer(low))
    yield from (Span(match.start(1), match.end(1), Label.LOCATION) for match in _NO_NUMBER.finditer(text))
    for pattern in (_AVENUE, _ROAD, _NUMBER_LAST):
        yield from (Span(*match.span(), Label.LOCATION) for match in pattern.finditer(text))
    for match in _TOWN_AND_STATE.finditer(text):
        code = match[3] or match[4]
        if code or match[2] not in _CREDENTIALS or plain(match[1]) in towns:  # Ulrike Baumgartner, MD
            yield Span(match.start(1), match.end(1), Label.LOCATION)
        if code:
            yield Span(match.end() - len(code), match.end(), Label.LOCATION)
    for match in _ZIP.finditer(low):
        group = 1 if match[1] else 2
        yield Span(match.start(group), match.end(group), Label.LOCATION)
    yield from (Span(*match.span(), Label.LOCATION) for match in _POSTCODE.finditer(text))
