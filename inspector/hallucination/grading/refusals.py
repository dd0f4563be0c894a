"""What an answer commits to: nothing where it only abstains or declines, in English and 25 other languages.

The patterns are matched against `tokens`: without case, apostrophes, Latin accents and English articles, with "one" as
"1", and with a space at each character of scripts that have none. `refusal_phrases` has the other languages.
"""

import re
from functools import lru_cache

from inspector.hallucination.grading.normalise import MARKS
from inspector.hallucination.grading.refusal_phrases import ELSEWHERE, WHOLE

_SURE = (
    "(?:(?:really|quite|entirely|completely|absolutely|very|too|so|100|fully|at all"
    "|exactly) )?(?:sure|certain|confident)"
)
_ADVERB = (
    "(?:(?:really|actually|currently|honestly|personally|just|simply|unfortunately|yet|at this time|at moment|readily|"
    "truly|quite|possibly|frankly|presently|directly|in good conscience|at all|even|ever"
    "|with certainty|definitively) )*"
)
_CANNOT = f"""(?:(?:cannot|cant|can not|could not|couldnt|wont|will not|would not|wouldnt|might not|do not want to
|dont want to|do not wish to|dont wish to|dare not) {_ADVERB}(?:be able to |even |begin to |hope to |like to |want to )?
|(?:unable|not able|impossible|not possible|not feasible|not at liberty|not allowed|not permitted|not qualified
|not authorized|not authorised|not in (?:any )?position|not equipped|not designed|not programmed
|not prepared|not willing
|unwilling|not going|hesitant|reluctant|not meant|hard|difficult|tough|tricky|forbidden) (?:for (?:me
|anyone|us) )?(?:to )(?:really )?|(?:rather|prefer|d prefer|best|choose|chose|inclined
|better) (?:to )?not (?:to )?|not comfortable |(?:refuse|decline|have|must decline|have to decline|hesitate
|regret) to |no way (?:to|of) )"""
_VERBS = """help(?:ing)?|assist(?:ing)?|answer(?:ing)?|say(?:ing)?|tell(?:ing)?|comment(?:ing)?|provid(?:e|ing)
|giv(?:e|ing)|shar(?:e|ing)|find|found|verify(?:ing)?|confirm(?:ing)?|determin(?:e|ing)|locate|guess(?:ing)?
|speculat(?:e|ing)|disclos(?:e|ing)|discuss(?:ing)?|respond(?:ing)?|reply(?:ing)?|fulfill?|complete|recall(?:ing)?
|remember(?:ing)?|identify(?:ing)?|offer(?:ing)?|know(?:ing)?|access|supply|be (?:sure|certain|of (?:any )?(?:help|use))
|ascertain|establish|look|retrieve|recollect|place|predict|do (?:that|this|so)|address|engage|browse|state|trace
|come up|figure|make (?:sense|head)|pinpoint|work|reveal|judge|think of|make (?:that|this|any|guess|up)
|talk|go into|support|hazard|get
|tell(?:ing)? you|see (?:any|how)|search|advise|weigh|risk|commit|put (?:my )?finger|name (?:that|it|them
|him|her|1|any)"""
_OPENING = """(?:^|(?<=[.,] )|(?<=\\bi )|(?<=\\bwe )|(?<=\\bim )|(?<=\\bam )|(?<=\\bid )|(?<=\\bill )|(?<=\\bits )
|(?<=\\bis )|(?<=\\bbut )|(?<=\\bsorry )|(?<=\\bunfortunately )|(?<=\\bthat )|(?<=\\btherefore )
|(?<=\\bso )|(?<=\\band )
|(?<=\\bme )|(?<=\\bwould )|(?<=\\b(?:just) )|(?<=\\breally )|(?<=\\bsimply )|(?<=\\bbe )|(?<=\\bmust )
|(?<=\\bcurrently )
|(?<=\\bhonestly )|(?<=\\bto )|(?<=\\bthere )|(?<=\\btheres )|(?<=\\bwas )|(?<=\\bregrettably )|(?<=\\bhave )|(?<=\\bd )
|(?<=\\bafraid )|(?<=\\bmodel )|(?<=\\bai )|(?<=\\bpolitely )|(?<=\\brespectfully ))"""
_KNOWLEDGE = """(?:access|information|infos?|data|knowledge|details?|records?|answer|answers|clue|idea|memory|memories
|recollection|opinions?|way|context|means|ability|capability|foggiest|faintest|inkling|notion|expertise|sources?|evidence
|permission|enough|slightest|response|documentation|certainty|confidence|facts|reliable|verified|specifics|basis|resources)"""
_NO = (
    f"(?:(?:dont|do not|did not|didnt|does not|doesnt) {_ADVERB}(?:have|possess|hold|keep"
    f"|retain|store|see|find)|havent(?: got)?|have not(?: got)?|have no|ive no|lack|ive got no|got no"
    f"|possess no|had no|have neither|have 0|have little|have very little)"
)
_FACT = """(?:known|recorded|documented|available|publicly|disclosed|listed|specified|stated|mentioned|provided|given
|reported|preserved|verifiable|determined|established|confirmed|clear|certain|answerable|recoverable|noted|kept|written
|something i|information i|in my|within my|part of my|covered|included|knowable|possible to|public
|on record|contained)"""
_DECLINES = [
    "(?:i )?dunno|(?:nothing|no name|no answer) (?:comes|springs|came) to mind|(?:have not"
    "|havent|hasnt|has not|was not|wasnt) been able to",
    "(?:there )?(?:isnt|arent|wasnt|werent) (?:any|enough|much)|(?:would|will|id|only"
    "|just) be (?:\\S+ )?(?:guessing|speculating|making (?:it|that|this) up|guesswork)",
    rf"(?:i |we )?(?:dont|do not|didnt|did not|never) {_ADVERB}(?:know|knew|remember|recall|recogni[sz]e|learn|learned"
    r"|understand (?:question|what|your)|feel (?:comfortable|qualified|able|confident)"
    r"|think i (?:can|know|could|should|have)"
    r"|believe i (?:can|know|have)|care to|seem to (?:know|have|recall|remember|be able)|come across|follow"
    r"|have (?:an(?:y)? )?(?:idea|answer|information|enough))(?! what hit)",
    rf"(?:i |we )?{_NO} (?:\S+ ){{0,4}}?{_KNOWLEDGE}",
    rf"(?:i am |im |we are )?not {_SURE}",
    r"(?:i am |im )?(?:un(?:sure|certain|aware|familiar)|ignorant|clueless|stumped|at loss"
    r"|drawing blank|stuck|blanking)(?! to)",
    "(?:no|not|nary)(?: good| real| earthly| single| even| exact)? (?:idea|ideas|clue|clues"
    "|inkling|recollection|memory)",
    rf"{_OPENING}(?:(?:i|we) (?:am |would |d )?{_ADVERB})?{_CANNOT}(?:{_VERBS})",
    r"(?:i )?(?:cannot|cant|can not|could not|couldnt) (?:answer|say|tell|determine|recall|remember|provide)",
    "(?:unable|impossible|not possible|not able) to (?:answer|say|tell|determine|know|provide)",
    r"(?:is|are|was|were|its|remains?|be|stays?) (?:\S+ly |still |simply )?(?:unknown|unclear"
    r"|unrecorded|unanswerable|undisclosed|unavailable"
    r"|undetermined|unspecified|uncertain|unresolved|unverified|unverifiable|undocumented"
    r"|unidentified|anonymous|mystery"
    r"|(?:lost|unknown) to (?:history|time|me|us)|anybodys guess|anyones guess)(?! (?:soldier|warrior|pleasures))",
    rf"(?:(?:is|are|was|were|be|been|its|im|am) (?:not|never)|isnt|arent|wasnt"
    rf"|werent) {_ADVERB}(?:yet )?(?:been )?(?:\S+ly )?"
    rf"{_FACT}(?! (?:for|as|by|until|to (?:be|have|exist)))",
    rf"(?:ha(?:s|ve) (?:not|never)|hasnt"
    rf"|havent) {_ADVERB}(?:yet )?been (?:\S+ly )?{_FACT}(?! (?:for|as|by|until|to (?:be|have"
    rf"|exist)))",
    "(?:i am|im) not (?:aware|familiar|in position|able|knowledgeable|comfortable|at liberty)",
    "(?:not|isnt|nothing) (?:\\S+ ){1,3}(?:i am|im|i) (?:\\S+ )?(?:know|aware of|familiar with"
    "|able to|comfortable|know of|have|recall)",
    "(?:there (?:is|are|was|were|has been|have been)|theres) (?:no|none|not (?:any|enough))(?! (?:doubt|question))",
    "no such",
    r"(?:not enough|no|insufficient|isnt enough|too little|lack of|without (?:more|further"
    r"|additional|any)?) ?(?:\S+ ){0,3}?(?:information|data|context|details|records?"
    r"|documentation|evidence)",
    "(?:information|data|answer|details) (?:un|not )available|(?:can|could|would|will|id"
    "|d) (?:only|just|merely) (?:be )?guess(?:ing)?|(?:do|does|did) not (?:appear"
    "|seem) to (?:exist|be|have)",
    "(?:does not|doesnt|do not|dont|did not|didnt|never) exist(?:ed)?",
    "(?:no 1|nobody|no human|not 1 person|no historian|none of us|only god|god|god only|heaven"
    "|heavens|goodness|lord|who) (?:alive )?(?:really |can |could |actually |will "
    "|would )?(?:knows|know|say|tell|remembers)(?! (?:where|how|what) (?:time|to))",
    "historians (?:do not|dont) know|history (?:does not|doesnt|has not|hasnt|did not"
    "|didnt) (?:\\S+ )?(?:say|record|recorded|tell|preserved?)|lost to (?:history|time)",
    "hard to say|beats me|false premise|premise is (?:false|wrong)|i refuse|i (?:must |have to "
    "|respectfully |politely |will )?decline|(?:ill|i will|let me|i|id) pass(?: on)?",
    "your guess is as good|(?:youve |you )?got me there|you have me there|youve got me"
    "|(?:i )?(?:have )?havent(?: got)? (?:foggiest|faintest|clue|slightest)",
    "search me|dont ask me|do not ask me|(?:it |that )?(?:escapes me|slips my mind"
    "|slipped my mind|eludes me|rings no bell|doesnt ring (?:any )?bell|is on tip of my tongue)",
    "(?:draw|drew|drawing) (?:\\S+ )?blank|mind (?:is|went|goes|has gone) blank|(?:i |ive "
    "|i have |i must have |i seem to have )(?:totally |completely |quite )?(?:forgot(?:ten)?"
    "|forget)",
    "i (?:really |only )?wish i (?:knew|could|had|remembered)|if only i knew"
    "|not (?:that )?i know of|not to my knowledge|(?:ive|i have|id"
    "|i had) never (?:\\S+ )?(?:heard|come across|encountered|learned|seen)",
    "not (?:something|anything|question) (?:that )?(?:i|im|we|anyone|anybody)|not my (?:area"
    "|field|strong suit|forte|department)|above my pay grade|out of my depth",
    "(?:beyond|outside|exceeds|past|not within|falls outside)(?: of)? (?:\\S+ )?(?:my|me|what i|scope|limits)",
    "my (?:\\S+ )?(?:training|knowledge|information|data|database|memory|records|sources"
    "|expertise|guidelines|policy|programming)(?: \\S+){0,4} (?:does not|doesnt|do not|dont|only"
    "|limited|cuts?|cutoff|ends?|stops?|extends|fails|is not|isnt|lacks?|has no|have no"
    "|prevents?|prohibits?|forbids?|come up|came up)",
    "(?:not|nothing|isnt|no mention|missing)(?: \\S+){0,3} (?:in|from|part of"
    "|among) my (?:\\S+ )?(?:knowledge|training|data|database|records|memory|sources|notes"
    "|dataset)",
    "(?:my )?knowledge (?:\\S+ )?(?:cutoff|cut off)|limits of my knowledge"
    "|against my (?:guidelines|programming|policy|policies)|violates?(?: my)? (?:guidelines"
    "|policy|policies)",
    "(?:im|i am) (?:afraid )?(?:just|only|merely|simply) (?:ai|language|large|bot|chatbot"
    "|computer|machine|program|assistant)",
    "(?:would|will|id) (?:need|have|want|require) (?:to )?(?:more|further|additional|some more"
    "|look|check|research|see|consult|verify|know more)|need (?:more|further"
    "|additional) (?:\\S+ )?(?:information|context|details?|data|time)",
    "(?:come up|came up|turned up|found|find|got|have|see|i know) (?:empty|nothing|no (?:answer"
    "|results?|information|match|record|mention|evidence))",
    "(?:question|query|it|request) (?:is|seems|appears|looks) (?:\\S+ )?(?:unclear|ambiguous"
    "|too vague|vague|incomplete|unanswerable|nonsensical)|makes no sense"
    "|doesnt make (?:any )?sense|does not make (?:any )?sense",
    "not (?:enough )?(?:information|data|sufficient)|rather not|prefer not|no comment|no answer"
    "|no opinion|no response|not telling|cannot be (?:\\S+ly )?(?:determined|known|answered"
    "|established|verified|confirmed|ascertained|identified|found)"
    "|cant be (?:\\S+ly )?(?:determined|known|answered|established|verified|confirmed)"
    "|could not be (?:\\S+ly )?(?:determined|found|verified|identified)",
    "i (?:would |will |d )?(?:recommend|suggest|advise|encourage|urge)(?: you| that| to"
    "|ing)? (?:\\S+ )?(?:check|consult|look|search|contact|ask|refer|visit|try|verify|reach)\\S*",
]
_ASKS = re.compile(
    r"(?:^|(?<=[.,] ))(?:please|kindly|(?:could|can|would|will) you (?:please "
    r"|kindly )?(?:clarify|provide|rephrase|specify|give|explain|elaborate|tell|share|repeat"
    r"|be more|check)|may i ask|what do you mean|do you mean|ask (?:me )?(?:another|someone|"
    r"somebody|again|an expert|expert)|next question|try (?:asking|searching|again|another"
    r"|google)|let me (?:check|think|look|get back|research)"
    r"|ill (?:have to|need to|get back|look)|you(?: will|ll)? (?:may|might|could|should|can|would"
    r"|need|have|will|d|are|be)(?: \S+){0,3} "
    r"(?:check|consult|try|look|search|ask|find|refer|verify|contact|clarify|provide|specify"
    r"|better)|(?:which|what|who)(?: \S+){0,4} "
    r"(?:do you mean|are you (?:asking|referring|talking))|i need more|more (?:information"
    r"|context|details) (?:is|are|needed|please|would))"
)
_LEAD = re.compile(r"(?:(?:it is|its|that is|thats|this is|answer is|answer|im afraid|sorry|well|hmm|um) (?:[.,] )*)+")
_GUESS = r"(?:but|however|maybe|perhaps|probably|possibly|think|guess is|guess|believe|might be|could be|id say)"
_PIVOT = re.compile(rf"(?<!\S){_GUESS}(?!\S)")
_ADDRESSES = re.compile(
    r"(?:i (?:can|could|will|need|am|do|dont|have no|cannot|cant|would (?!say|guess))|ill |im |you |please |lets? "
    r"|feel free|if you|here |sorry |id (?:be|love|like|recommend|suggest)|id have|thats|that is all|thank|thanks|ask "
    r"|hope |your |not |try |do |let me|can i |may i |would you |could you "
    r"|happy to |this |that |there "
    r"|(?:\S+ ){0,6}(?:could|may|might|can|would|will|should) (?:help|know|have|be able|assist"
    r"|be found|be available|tell))"
)
_TRAILING = re.compile(r"(?:^| )(?:but|though|although|however)(?: [.,])*$")
_ASIDES = """sorry well hmm um uh oh no yes thanks honestly unfortunately good question im afraid ai regrettably
apologies apologize apologise great tough hi hello okay ok alas sadly interesting tricky hard wow gosh sir understood
désolé desole lo siento leider lamento desculpe dispiace tut przykro helaas sajnos извините простите"""
_INTERJECTIONS = frozenset(_ASIDES.split())
_MORE = re.compile(r"^(?: \S+){0,3} (?:more|further|additional|else|other|beyond that)(?!\S)")
_DECLINE = re.compile(rf"(?<!\S)(?:{'|'.join([*(part.replace(chr(10), '') for part in _DECLINES), *ELSEWHERE])})(?!\S)")


@lru_cache(maxsize=2**16)
def claim(said: tuple[str, ...]) -> tuple[str, ...] | None:
    """The part of an answer that commits to something; None where the answer only abstains.

    "I'm not sure, but Paris" and "Paris, but I'm not sure" commit to Paris: a guess is judged, correct or not.
    "I don't know if it is Paris" and "I don't know, Paris" don't: nothing marks a guess.

    Args:
        said: the answer's `tokens`.
    """
    text = " ".join(said)
    bare = " ".join(token for token in said if token not in MARKS)
    if not bare or bare in WHOLE or _LEAD.sub("", bare, count=1) in WHOLE:
        return None
    declined = _first(text)
    if declined is None:
        return said
    pivot = _PIVOT.search(text, declined.end())
    if pivot is not None:
        guess = text[pivot.end() :].strip(" .,/")
        return None if _ADDRESSES.match(f"{guess} ") else claim(tuple(guess.split()))
    before = text[: declined.start()].strip()
    turned = _TRAILING.search(before)
    only_more = "." in before.split() and _MORE.match(text[declined.end() :])
    short = before.endswith((" .", " ,")) and 0 < len(set(before.split()) - MARKS) <= 3
    if only_more or turned or (short and not set(before.split()) & _INTERJECTIONS):
        return claim(tuple(before[: turned.start() if turned else None].split()))
    return None


def _first(text: str) -> re.Match[str] | None:
    found = [match for match in (_DECLINE.search(text), _ASKS.search(text)) if match is not None]
    return min(found, key=lambda match: match.start()) if found else None
