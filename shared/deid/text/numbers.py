"""Numbers and addresses that reach or name a person: telephone, e-mail, URL, and the numbers of records, plans and things.

A number is somebody's when a word says so (MRN, plate, s/n) or when it has the form (letters and digits, seven digits
and more). Codes of medicine (CPT, ICD, SNOMED CT) and amounts with a unit are left alone. 45 CFR 164.514(b)(2)(i)(D)
to (O).
"""

import re
from collections.abc import Iterator

from shared.deid.text.port import Label, Span

_FIGURE = r"(?:oh|zero|one|two|three|four|five|six|seven|eight|nine)"
_SPOKEN = re.compile(rf"\b(?:{_FIGURE}[ ,-]+){{4,}}{_FIGURE}\b")
_SPELLED = re.compile(rf"\b(?:(?:[a-z]|{_FIGURE}) ){{3,}}(?:[a-z]|{_FIGURE})\b")
_PHONES = (
    re.compile(
        r"(?<![\w.+-])(?:\+\d{1,3}[ .-]?)?(?:1[ .-])?(?:\(\d{3,5}\) ?|\d{3}[ ./-])\s?\d{3}[ ./-]?\d{4}(?!\d)"
        r"(?:,? ?(?:ext\.?|x|extension) ?\d{1,6})?"
    ),
    re.compile(r"(?<![\w.+-])\+\d{1,3}[ .-]?(?:\(0\))?\d{1,5}(?:[ .-]?\d{2,5}){2,4}(?!\d)"),
    re.compile(r"(?<![\w.-])\(?0\d{2,4}\)?[ -]\d{3,4}[ -]?\d{3,4}(?!\d)"),
    re.compile(r"(?<![\w.-])0\d{9,10}(?!\d)"),
    re.compile(r"(?<![\w.-])(?:(?!0)\d{3}[.-]\d{7}|[2-9]\d{2}5550\d{3}|[2-9]\d{2} \d{7})(?!\d)"),
    re.compile(r"(?<![\w./-])[2-9]\d{2}[ .-]\d{4}(?![\d-]|/\d)"),
)
_EXTENSION = re.compile(
    r"\b(?:ext(?:ension)?|pager|beeper|pgr|bleep|paged?|x)\.?(?: ?(?:no\.?|number|#|is|at|:|on))* ?(\d{3,7})\b"
)
_LAST_OF_PHONE = re.compile(
    r"\b(?:phone|cell|number|mobile|tel)\b[^.\n]{0,20}\b(?:ending|ends|last (?:4|four))"
    r"(?: (?:in|with|digits|of|are|is))* ?(\d{4})\b"
)

_EMAILS = (
    re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    re.compile(r"\b[\w.+-]+ (?:at|\(at\)|\[at\]) [\w-]+(?: (?:dot|\(dot\)|\[dot\]) [\w-]+)+\b"),
)
_ENDS = r"[^\s<>\"')\]]*[^\s<>\"')\].,;:!?]"
_LINKS = re.compile(rf"\b(?:https?|ftp|sftp)://{_ENDS}|\bwww\.[\w-]+(?:\.[\w-]+)+(?:/{_ENDS})?")
_DOMAIN = re.compile(
    rf"\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|org|net|edu|gov|io|info|co\.uk|nhs\.uk|example|health|us)\b(?:/{_ENDS})?"
)
_IP = re.compile(r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.]\d|\d)")
_IPV6 = re.compile(
    r"(?<![\w:])(?:(?:[0-9a-f]{1,4}:){3,7}:?[0-9a-f]{1,4}|[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*::[0-9a-f:]*[0-9a-f])(?![\w:])"
)
_HANDLE = re.compile(r"(?<![\w.@])@[a-z_][\w.]{2,}\b")

_NUMBERED = re.compile(
    # words that a number follows
    r"\b(?:(?:m\.?r\.?n|medical record|record|chart|hosp(?:ital)?|acct?|account|claim|badge|serial|s/n|sn|lot|batch|li[cs]en[cs]e"
    r"|lic|dl|plates?|reg(?:istration)?|tail|vin|ref(?:erence)?|auth(?:orization)?|accession|specimen|policy|member|subscriber"
    r"|nhs|chi|ssn?|social security|mbi|hicn?|medicare|medicaid|passport|run|certificate|cert|ids?|npi|dea|ein|tin|folder"
    r"|invoice|ticket|tracking|confirmation|conf|udi|unit record|docket|case mgr"
    r"|osha log|interpreter|incident|inmate|student|employee|visa|barcode"
    r"|microchip|asset|imei|wristband|aircraft|permit|prescription)(?![a-z])"
    # words that do so only with a sign between
    r"|(?:case|group|plan|band|order|log|file|device|implant|patient|pt|study|report|rx|emp|our|your|tag|chip|pump"
    r"|meter|model|mac|key|pin|lab|form|bag|unit|insurance|ins|payer|vehicle|donor|trial|grant)"
    r"(?=[ \t]*(?:#|no\b|nr\b|num|id\b|ref|:|s/n|sn\b))|no\.(?= ?\d)|num(?:ber)?(?![a-z]))"
    r"(?:[ \t]*(?:\(\w+\)|no\b\.?|nr\b\.?|num(?:ber)?\b\.?|#|ids?\b|ref\b\.?|is\b|was\b|:|=|ending(?: in)?\b"
    r"|last (?:4|four)(?: digits)?(?: of)?|s/n|sn\b|serial|on file|-))*[ \t:.#]*"
    # the number
    r"((?!(?:on|at|in|of|to|for|and|by|from|with|the|a|is|was) )"
    r"[a-z]{0,5}[ -]?(?=[a-z0-9]*[-/.]?[a-z]*\d)[a-z0-9]+(?:[-/.][a-z0-9]+)*"
    r"(?: (?!\d+(?:mg|mcg|ml|g|kg|cm|mm|x|st|nd|rd|th|d|h|y|yo|f|m)\b)(?=[a-z]{0,3}\d{2})[a-z0-9]{2,6}\b"
    r"(?! ?(?:mg|ml|mcg|units?|days?|x|years?|[/:])))*)(?![\w%])"
)
_FORMS = (
    re.compile(r"\b\d{3}-\d{2}-\d{4}\b"),  # social security
    re.compile(  # Medicare beneficiary identifier
        r"\b\d[A-HJ-NP-Z][A-HJ-NP-Z0-9]\d-?[A-HJ-NP-Z][A-HJ-NP-Z0-9]\d-?[A-HJ-NP-Z]{2}\d{2}\b"
    ),
    re.compile(r"(?<![\w-])\d{3} \d{3} \d{4}(?![\d-])"),  # NHS
    re.compile(r"\b(?=[A-HJ-NPR-Z0-9]*\d)(?=[A-HJ-NPR-Z0-9]*[A-Z])[A-HJ-NPR-Z0-9]{17}\b"),  # vehicle
    re.compile(r"(?<![\w.-])(?=[A-Z0-9-]*\d{2})[A-Z]{1,6}\d{0,3}[A-Z]{0,2}-\d[A-Z0-9]{3,}(?:-[A-Z0-9]+)*(?![\w.])"),
    re.compile(r"(?<![\w.-])[A-Z]{2,5}-(?:[A-Z0-9]{1,6}-)?\d{3,}(?:-\w+)*(?!\w)"),
    re.compile(r"(?<![\w.-])(?:[A-Z]{2,5}\d{4,}[A-Z]?|[A-Z]\d{6,})(?!\w)"),
    re.compile(
        r"(?<![\w.$/+-])(?!(?:19|20)\d\d-(?:19|20)\d\d\b|(?:[01]\d|2[0-4])[0-5]\d-(?:[01]\d|2[0-4])[0-5]\d\b)"
        r"\d{2,}-(?:\d{4,}(?:-\w+)*|\d{3,}(?:-\d+)+)(?!\w|\.\d|-)"
    ),
    re.compile(r"(?<![\w.,$/+-])\d{7,}(?![\w.,%/]\w|\w)"),
    re.compile(r"\b[A-Z]{3,4} \d{4} \d{4}\b"),
    re.compile(r"\bN\d{2,4}[A-Z]{1,2}\b"),  # aircraft
    re.compile(r"(?<!\w)#\s?\d{4,}\b"),
    re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b|\b[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}\b"),
)
_CODED = re.compile(
    r"\b(?:(?:cpt|icd(?:-?\d+)?(?:-cm)?|snomed(?:[ -]ct)?|loinc|rxnorm|hcpcs|cvx|ndc|atc|drg|dsm|pmid|doi)"
    r"(?: codes?)?[ :#]*|codes? *)$"
)
_UNIT = re.compile(
    r" ?(?:mg|mcg|ml|g\b|kg|cm|mm|units?|iu\b|u\b|meq|mmol|k\b|x ?10|/ ?(?:mm|ul|hpf)|cells|copies|%|hours?|hrs?|days?|min"
    r"|steps|cal|kcal|feet|ft\b|lbs?|gauge|fr\b|french|weeks?|months?|years?|visits?|dollars)"
)
_LEAST, _SHORT = 3, 2  # digits of a number that a word announces; of one that has letters too
_BACK = 14  # characters in which the name of a code stands before it


def reached(text: str, low: str) -> Iterator[Span]:
    """Telephone numbers, e-mail addresses, URLs; `low` is the text in small letters."""
    for pattern in _PHONES:
        for match in pattern.finditer(low):
            if not _coded(low, match.start()):
                yield Span(*match.span(), Label.PHONE)
    for pattern in (_EXTENSION, _LAST_OF_PHONE):
        yield from (Span(*match.span(1), Label.PHONE) for match in pattern.finditer(low))
    if " five" in low or " zero" in low or " oh" in low:
        yield from (Span(*match.span(), Label.PHONE) for match in _SPOKEN.finditer(low))
    for match in _SPELLED.finditer(low):  # d e l g a d o; s j o three nine four
        letters = match.group().replace(" ", "") if len(match.group()) == 2 * match.group().count(" ") + 1 else ""
        yield Span(*match.span(), Label.NAME if letters else Label.ID)
    if "@" in low or " at " in low or "at)" in low or "at]" in low:
        for pattern in _EMAILS:
            yield from (Span(*match.span(), Label.EMAIL) for match in pattern.finditer(low))
    for sign, pattern in (("://", _LINKS), ("www.", _LINKS), (".", _DOMAIN), (".", _IP), (":", _IPV6), ("@", _HANDLE)):
        if sign in low:
            yield from (Span(*match.span(), Label.URL) for match in pattern.finditer(low))


def numbered(text: str, low: str) -> Iterator[Span]:
    """The numbers of records, plans, licences, vehicles and devices."""
    for match in _NUMBERED.finditer(low):
        start, end = match.span(1)
        while low[start] in " -":
            start += 1
        value = low[start:end].rstrip()
        digits = sum(map(str.isdigit, value))
        if (digits >= _LEAST or (digits == _SHORT and len(value) > 4)) and not (
            _coded(low, match.start(1)) or _UNIT.match(low, end)
        ):
            yield Span(start, start + len(value), Label.ID)
    for pattern in _FORMS:
        for match in pattern.finditer(text):
            if not _coded(low, match.start()) and not _UNIT.match(low, match.end()):
                yield Span(*match.span(), Label.ID)


def _coded(low: str, at: int) -> bool:
    """Whether what stands here is a code of medicine."""
    return _CODED.search(low[max(0, at - _BACK) : at]) is not None
