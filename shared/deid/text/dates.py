"""Dates and high ages: what their form gives away.

Everything with a day or month of the calendar is a date (45 CFR 164.514(b)(2)(i)(C)); a bare year is none. Where the
form alone is not enough (2/10 is a date or a grade of pain), what stands before and after decides. Left out:
weekdays, holidays, clock times.
"""

import re
from collections.abc import Container, Iterator

from shared.deid.text.port import Label, Span

_NAMES_OF_MONTHS = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?|janvier|f[ée]vrier|avril|juin|juillet|ao[ûu]t|septembre|octobre|novembre|d[ée]cembre"
    r"|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre)"
)
# In capitals: "may" and "march" are verbs.
_FULL_MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_YEAR = r"(?:(?:1[89]|20)\d\d|['’]\d\d)"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_NTH = r"(?:st|nd|rd|th)"
_ORDINAL = (
    r"(?:twenty[- ](?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|thirty[- ]first|first|second|third|fourth"
    r"|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth"
    r"|eighteenth|nineteenth|twentieth|thirtieth)"
)
_CARDINAL = (
    r"(?:oh|zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen"
    r"|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)"
)
_SPOKEN = rf"(?:nineteen|twenty|two thousand)(?:[ -](?:and[ -])?{_CARDINAL}){{0,2}}"

_IN_FIGURES = (
    re.compile(
        r"\b(?:1[89]|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
        r"(?:T\d\d:?\d\d(?::?\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?(?!\d)"
    ),
    re.compile(r"\b(?:1[89]|20)\d\d([./ ])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])\b"),
    re.compile(r"\b(?:1[89]|20)\d\d[-/](?:0[1-9]|1[0-2])(?![-\d/])"),
    re.compile(r"\b(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\b"),
    re.compile(
        r"(?<![\d./-])(?:(?:0?[1-9]|1[0-2])([/.-])(?:0?[1-9]|[12]\d|3[01])\1|(?:0?[1-9]|[12]\d|3[01])([/.-])(?:0?[1-9]|1[0-2])\2)"
        r"(?:(?:1[89]|20)\d\d|\d\d)(?![\d/]|[.-]\d)"
    ),
    re.compile(r"(?<![\d./-])(?:0?[1-9]|1[0-2])/(?:(?:19|20)\d\d)(?![\d/])"),
)
_ANY_MONTH = re.compile(rf"{_NAMES_OF_MONTHS}(?!(?!of )[a-z])")
_MARK = "\ua7ff"  # a letter that no note has: a text is read with each letter of a month's name written so
_MONTH = rf"{_MARK}+"
_WITH_A_MONTH = (
    re.compile(
        rf"\b{_MONTH}\.?[ \t-]?\s?{_DAY}{_NTH}?(?:,?[ \t]*[/-]?\s?{_YEAR}"
        rf"|[ ,/-]{{1,2}}\d\d(?!\d|[:/%]|\.\d|[ -]?(?:mg|ml|days?|weeks?)))?(?![\d:%]|\.\d)\b"
    ),
    re.compile(
        rf"(?<![\d.])(?:the )?{_DAY}{_NTH}?(?: of|,)?[ \t/.-]?\s?{_MONTH}\b\.?"
        rf"(?:,?[ \t/.-]?\s?{_YEAR}|[ /-]\d\d(?![\d:]))?(?!\d)"
    ),
    re.compile(rf"\b{_MONTH}\.?,? ?(?:of )?[-/ ]?{_YEAR}\b"),
    re.compile(rf"\b{_MONTH}-\d\d\b(?!-)"),
    re.compile(rf"(?<!\d){_DAY}{_MONTH}(?:1[89]|20)?\d\d(?!\d)"),
    re.compile(rf"\b{_MONTH} (?:the )?{_ORDINAL}(?:,? (?:of )?(?:{_SPOKEN}|{_YEAR}))?\b"),
    re.compile(rf"\b(?:the )?{_ORDINAL} (?:of )?{_MONTH}(?:,? (?:{_SPOKEN}|{_YEAR}))?\b"),
)
_MONTH_ALONE = re.compile(
    r"(?:\b(?:[Ii]n|[Ll]ast|[Nn]ext|[Tt]his|[Ll]ate|[Ee]arly|[Ff]rom|[Pp]ast|[Tt]ill?|[Uu]ntil|[Ss]ince|[Bb]y|[Dd]uring|of)"
    rf"|[Mm]id)[ -]({_FULL_MONTH})\b"
)
_MONTH_ALONE_SMALL = re.compile(
    r"\b(?:in|last|next|this|since|until|till) (january|february|april|june|july|august|september|october|november|december)\b"
)
_DAY_ALONE = re.compile(
    r"(?<=\bon )the \d{1,2}(?:st|nd|rd|th)\b(?! (?:floor|percentile|rib|week|day|visit|grade|time|toe|finger|digit|ward|unit"
    r"|cranial|nerve|metatarsal|metacarpal|intercostal|street|avenue|st\b|ave\b))"
)

_SHORT = re.compile(r"(?<![\d./+-])(0?[1-9]|1[0-2])/(0?[1-9]|[12]\d|3[01])(?![\d/%]|\.\d|-\d)")
_DASHED = re.compile(
    r"(?:(?<=\bsince )|(?<=\buntil )|(?<=\bon )|(?<=\bfrom ))(?:0?[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?![\d-])"
)
_LIST = 7  # characters between two dates of one list, at most
_PARTS = frozenset({2, 3, 4, 5, 6, 8, 10})  # what things are divided or graded into
_DATED = re.compile(
    r"(?:\b(?:on|until|til|till|since|by|from|thru|through|exp|expires|due|dated?|drawn|done|stop|stopped|start|started"
    r"|starting|seen|appt|appointment|labs?|for|before|after|moved to|x-?ray|us|ct|mri|echo|visit|admit|admitted|discharged"
    r"|dc|called|faxed|next|last|repeat|resume|placed|removed|given|collected|received|week of|wk of|between|mon|tues?|wed"
    r"|thurs?|fri|sat|sun)\.?(?:day)?,? ?|[(\n]|^|- )$"
)
_GRADED = re.compile(
    r"\b(?:(?:pain|strength|power|motor|reflex(?:es)?|score|scale|grade|gcs|phq|apgars?|murmur|scored?|rated?|intensity"
    r"|severity|mrc|visual|va|dtrs?|recall|oriented)\W{0,3}(?:\w+\W{1,2})?|(?:bp|pulses?|back)\W{0,3})$"
)
_TIMED = re.compile(r" (?:at |@ ?)?(?:[01]?\d|2[0-3]):?[0-5]\d\b")
_GRADE = re.compile(
    r" ?(?:(?:\w+ )?pain|strength|power|of\b|bottles|cups?|tabs?|tablets?|inch|mile|pack|ppd|murmur|systolic|dose|cm\b|mm\b|\""
    r"|teaspoon|tsp|in (?:all|the|both)|bilat|throughout|recall|on (?:the )?(?:pain|vas|nrs)|words|objects|items|positive"
    r"|criteria|meals|days|nights|weeks|times)"
)

_OLD = (
    r"(?:9\d|1[01]\d|ninety(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?"
    r"|(?:a|one) hundred(?:[- ](?:and[- ])?(?:one|two|three|four|five|six|seven|eight|nine|ten))?)"
)
_ANY_OLD = re.compile(r"\b(?:9\d|1[01]\d)|ninet|hundred|onagenarian|centenarian")
_PEOPLE = (
    r"(?:she|he|they|who|pt|patient|mother|father|mom|mum|dad|grandmother|grandfather|grandma|grandpa|gran|nan|aunt|uncle"
    r"|husband|wife|sister|brother|woman|man|lady|gentleman|resident|widow|widower|neighbou?r|nana|granddad|great-aunt|her"
    r"|him|mother-in-law|father-in-law|aged?|spouse|female|male)"
)
_NO_AGE = (
    r"(?! ?(?:%|degrees|mg|kg|cm|mm|/|bpm|°|[.:]\d|percent|min|ml|lbs|pounds|days|weeks|feet|on ra|beats|ra\b|over))"
)
_AGES = (
    re.compile(
        rf"\b({_OLD})(?:[ -]?(?:y[./ ]?o\b|y\.o\.|years?[ -](?:old|of age|young)|yrs?[ -]?old|yrs?\b|yof|yom|y\b)"
        rf"|[ -]?years?[ -]?olds?|[ -]years?(?=[,;)]|\.\s)|[ -]?[mf]\b)"
    ),
    re.compile(
        rf"\b(?:aged?|age of|age is|turned|turning|turns|reach(?:ed|ing)|nearly|almost|just)[ :]*({_OLD})\b{_NO_AGE}"
    ),
    re.compile(
        r"\b(9\dth|1[01]\dth|hundredth|ninetieth|ninety-(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth))"
        r"(?= (?:birthday|year|bday))"
    ),
    re.compile(
        rf"\b{_PEOPLE}(?:['’]s)?,? (?:is |was |are |will be |would be |turns |now |"
        rf"just |at |still |lived to (?:be )?|died at |passed(?: away)? at |\()*"
        rf"({_OLD})\b{_NO_AGE}"
    ),
    re.compile(r"\b((?:early|mid|late)?[- ]?nineties|centenarian|nonagenarian)\b"),
    re.compile(
        rf"\b(?:died|dead|deceased|passed|passed away|lived)(?: \w+)? (?:at|to)(?: age| the age of)? ({_OLD})\b"
    ),
)
_SOMEBODY = re.compile(rf"\b([A-Z][a-zà-ÿ]+) (?:is|was|turned|turns) (9\d|1[01]\d)\b{_NO_AGE}")


def dates(text: str, low: str, *, careless: bool) -> Iterator[Span]:
    """The dates of a text; `low` is the text in small letters, `careless` says that nobody typed capitals."""
    for pattern in _IN_FIGURES:
        yield from (Span(*match.span(), Label.DATE) for match in pattern.finditer(text))
    last = -_LIST
    for match in _SHORT.finditer(low):
        if _dated(low, match) or match.start() - last < _LIST:  # 9/9, 9/10 and 9/12
            last = match.end()
            yield Span(*match.span(), Label.DATE)
    yield from (Span(*match.span(), Label.DATE) for match in _DASHED.finditer(low))
    marked = _ANY_MONTH.sub(_marked, low)
    if marked != low:
        for pattern in _WITH_A_MONTH:
            yield from (Span(*match.span(), Label.DATE) for match in pattern.finditer(marked))
        yield from (Span(*match.span(1), Label.DATE) for match in _MONTH_ALONE.finditer(text))
        if careless:
            yield from (Span(*match.span(1), Label.DATE) for match in _MONTH_ALONE_SMALL.finditer(low))
    yield from (Span(*match.span(), Label.DATE) for match in _DAY_ALONE.finditer(low))


def _marked(month: re.Match[str]) -> str:
    return _MARK * len(month[0])


def _dated(low: str, match: re.Match[str]) -> bool:
    """Month and day without a year, where it is no part, grade or pressure."""
    month, day = int(match.group(1)), int(match.group(2))
    before = low[max(0, match.start() - 24) : match.start()]
    if _GRADED.search(before) or _GRADE.match(low, match.end()):
        return False
    if day not in _PARTS or month > day:
        return True
    return _DATED.search(before) is not None or _TIMED.match(low, match.end()) is not None


def ages(text: str, low: str, words: Container[str]) -> Iterator[Span]:
    """Ages of 90 and more: one class by the same rule. `words` are those of the language: "pulse is 94" is no age."""
    if _ANY_OLD.search(low) is not None:
        for match in _SOMEBODY.finditer(text):
            if match[1].lower() not in words:
                yield Span(match.start(2), match.end(2), Label.AGE_OVER_89)
        for pattern in _AGES:
            yield from (Span(*match.span(1), Label.AGE_OVER_89) for match in pattern.finditer(low))
