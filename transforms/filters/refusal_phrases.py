"""The phrases with which teachers decline, as regular expressions over lower-case text.

Every quantifier has a bound, so no text takes long. Texts have single spaces and straight
apostrophes.
"""

from __future__ import annotations


def _any(*patterns: str) -> str:
    return f"(?:{'|'.join(patterns)})"


_ADVERB = r"(?:\w{2,14}ly |just |also |still )?"
_SENTENCE = r"[^.!?]{0,200}?"

# What a teacher does for the user: "I cannot help" declines, "I cannot wait" does not.
_SERVE = _any(
    r"(?:help|assist|aid|support|serve|accommodate|satisfy|grant)\b(?! but\b)",
    r"(?:provide|offer|give|share|supply|disclose|reveal|output|send)\b",
    r"(?:fulfil|fulfill|comply|complete|process|carry out|perform|execute|proceed|continue)\b",
    r"(?:answer|respond|reply|address|discuss|talk about|speculate|comment|engage|participate)\b",
    r"(?:generate|create|write|produce|make|draft|compose|fabricate|translate|role-?play)\b",
    r"(?:teach|explain|describe|tell|show|guide|instruct|advise|suggest|recommend|advocate)\b",
    r"(?:encourage|promote|condone|endorse|facilitate|contribute|take part|go into|go along)\b",
    r"(?:access|browse|open|view|look up|search|retrieve|diagnose|identify|verify|predict)\b",
    r"(?:contact|replace|interpret|judge)\b",
    r"(?:do (?:that|this|so)|be (?:able|of help|part)|in good conscience|work on)\b",
)

_UNABLE = _any(
    r"can ?not(?! only)",
    r"can't",
    r"(?:could|will|shall|should|must) not",
    r"(?:couldn't|won't|shouldn't)",
    r"(?:am|'m|are|'re) (?:\w+ )?unable",
    r"(?:am|'m|are|'re) not (?:\w+ )?(?:able|allowed|permitted|authori[sz]ed|programmed|designed)",
    r"(?:am|'m|are|'re) not (?:\w+ )?(?:going|comfortable|willing|equipped|prepared|capable)",
    r"(?:am|'m|are|'re) not (?:at liberty|in a position|here)",
    r"(?:would|'d) (?:rather|prefer) (?:not|to not)",
    r"(?:do not|don't) (?:feel comfortable|want to|wish to)",
    r"(?:do not|don't) have the (?:ability|capability|authority|capacity)",
)

_WRONG = _any("appropriate", "ethical", "acceptable", "okay", "responsible", "respectful")
_NOT_IT_IS = _any(
    r"(?:this|that|it)(?: is|'s) (?:\w+ )?(?:not|never|neither)",
    r"i (?:do not|don't) (?:think|believe) (?:that )?(?:this|that|it)(?: is|'s)",
)
_RULES = _any(
    "guidelines?", "programming", "polic(?:y|ies)", "principles", "rules", "values", "ethics"
)

_I_AM = r"(?:i am|i'm|we are|we're)"
_NOT = r"(?:do not|don't|did not|didn't)"
_THIS = r"(?:this|that|it)"
_REQUEST = r"(?:this|that|your|the) (?:request|question|prompt|content|topic)"
_TURN = r"[,.;!]? ?(?=but |however|and i )"  # kind words count only where the turn follows

_ENGLISH_OPENINGS = (
    rf"{_I_AM} (?:\w+ )?(?:sorry|afraid)(?: to (?:say|inform you))?(?: that)?",
    rf"{_I_AM} (?:\w+ )?sorry (?:to hear|that you|you're|for){_SENTENCE}[,.] ?(?=but |however|i )",
    r"(?:sorry|unfortunately|regrettably|sadly|(?:my |our |sincere )*apologies)",
    r"i (?:\w+ )?apologi[sz]e(?: for [^,.!?]{0,80})?",
    r"i (?:\w+ )?(?:must|have to|need to|should|regret to|want to) (?:\w+ )?(?:be clear|(?:inform|"
    r"tell|clarify|say|point out|note|emphasi[sz]e)(?: to)?(?: you)?)(?: that)?",
    r"(?:no|nope|well|hello|hi|hey|oh|hmm|okay|ok|but|however|and|therefore|thus|so)(?=[ ,.!])",
    r"(?:please|kindly) (?:note|understand|know|be aware) that",
    r"(?:as|since|because|being) (?:i am |i'm )?(?:just |only )?(?:an?|your) (?:[\w-]+ ){0,4}"
    r"(?:ai|a\.i\.|model|assistant|chatbot|llm|program)\b[^,.!?]{0,100}(?=,)",
    rf"{_I_AM} (?:just |only |merely )?(?:an?|your) (?:\w+ ){{0,3}}?"
    r"(?:ai|model|assistant|chatbot)\b[^,.!?]{0,60}?(?:[,.;] ?(?:and |so )?| and )",
    rf"{_I_AM} (?:happy|glad|here|pleased)\b{_SENTENCE}{_TURN}",
    r"i (?:\w+ )?(?:understand|appreciate|recogni[sz]e|see|hear|know|reali[sz]e|acknowledge)\b"
    rf"{_SENTENCE}{_TURN}",
    r"(?:it's|it is|that's|that is) (?:understandable|great|natural|a|an|illegal|unethical)\b"
    rf"{_SENTENCE}{_TURN}",
    rf"(?:thank you|thanks) for {_SENTENCE}(?:[,.!] ?| (?=but ))",
    r"(?:for|due to|because of|in line with|based on|per|under|according to|in accordance with) "
    r"[^,.!?]{0,80}(?:reasons|concerns|guidelines|polic(?:y|ies)|principles|rules|laws?)(?=,)",
    r"(?:at this time|at the moment|in this case|with (?:all due )?respect|respectfully)",
)

_ENGLISH_DECLINING = (
    rf"(?:i|we) ?{_ADVERB}{_UNABLE}(?: (?:to|with|of|be|and|or|in good conscience,|\w{{2,14}}ly|"
    rf"will not|should not|won't)){{0,4}}(?: able to)? (?:\w{{3,14}}ing\b|{_SERVE})",
    rf"(?:(?:i|we) )?{_NOT} {_ADVERB}(?:condone|have the ability to)\b",
    rf"(?:i|we) {_NOT} {_ADVERB}(?:promote|provide|support|engage|assist|participate|help with|"
    r"generate|create|write|encourage)\b",
    rf"(?:i )?{_NOT} (?:\w+ )?have access to "
    r"(?:your|their|his|her|(?:any )?(?:personal|private|confidential))\b",
    r"(?:i|we) ?(?:must|have to|need to|(?:will|'ll) have to|(?:am|'m) going to(?: have to)?|"
    rf"would like to|choose to)? ?{_ADVERB}(?:decline|refuse)\b",
    rf"(?:{_THIS}|what you're asking)(?:'s| is|'s not| is not| isn't) {_ADVERB}something "
    rf"(?:that )?(?:i|we) ?(?:{_UNABLE}|{_NOT}|can\b|am able|'m able)",
    rf"{_NOT_IT_IS} (?:\w+ )?{_WRONG}(?: for me)? to (?:{_SERVE}|(?:say|ask|joke|refer|deny)\b)",
    rf"{_NOT_IT_IS} (?:\w+ )?(?:{_WRONG},? (?:or|and|nor) \w+|\w+,? (?:or|and|nor) {_WRONG}) to\b",
    rf"{_NOT_IT_IS} (?:\w+ )?(?:possible|safe|legal|within my \w+)(?: (?:or|and) \w+)?(?: for me)? "
    rf"to {_SERVE}",
    rf"{_THIS} would(?:n't| not)? be (?:\w+ )?(?:in|un|ir|il)?(?:{_WRONG}|legal|harmful|wrong)"
    rf"(?: (?:or|and) \w+)?(?: (?:of|for) me)? to {_SERVE}",
    rf"{_REQUEST} (?:\w+ )?(?:violates|goes against|is against|conflicts with|falls outside|"
    r"breaches|contravenes)",
    rf"{_REQUEST} (?:\w+ )?(?:contains?|promotes?|perpetuates?|implies|is) [^.!?]{{0,40}}?"
    r"\b(?:harmful|illegal|unethical|offensive|derogatory|not appropriate|inappropriate)\b",
    rf"(?:{_THIS}|doing so)(?: \w+)?(?:'s| is| goes| be| go| violates?) (?:against )?(?:my|our) "
    rf"(?:\w+ ){{0,2}}{_RULES}",
    rf"my (?:\w+ ){{0,3}}{_RULES} (?:\w+ )?(?:prevents?|prohibits?|forbids?|"
    r"(?:do(?:es)? not|don't|doesn't) (?:allow|permit))",
    r"there(?: is|'s) no way (?:that )?i (?:can|could|will|would)\b",
    rf"(?:can't|cannot|unable to|not able to) (?:comply\b|{_SERVE} (?:with |you )?(?:that|this)\b)",
    r"(?:your )?request (?:has been |is )?(?:denied|declined|refused)\b",
)

_GERMAN_OPENINGS = (
    r"(?:es )?tut mir (?:\w+ )?leid",
    r"(?:leider|entschuldigung|verzeihung|aber|jedoch|doch|dass|hallo|nein)(?=[ ,.!])",
    r"ich (?:bedauere|bedaure|entschuldige mich)",
    r"ich verstehe[^.!?]{0,120}?,(?= aber| doch| jedoch)",
    r"als (?:\w+ )?(?:ki|künstliche intelligenz|sprachmodell|assistent)[^,.]{0,60}?"
    r"(?=,| kann| darf| bin)",
)
_GERMAN_SERVE = _any(
    r"(?:weiter)?helfen", "behilflich", "unterstützen", "beantworten", "antworten", "bereitstellen",
    "geben", "erstellen", "erfüllen", "schreiben", "nachkommen", "anbieten", "liefern", "teilen",
    "erklären", "übersetzen", "nennen", "verfassen", "diskutieren", "dienen", "preisgeben",
)  # fmt: skip
_GERMAN_DECLINING = (
    r"(?:ich (?:kann|darf|werde|möchte)|(?:kann|darf|werde|möchte) ich|"
    r"(?:dabei|damit|hierbei|hier|das|dies) (?:kann|darf|werde) ich)\b"
    rf"[^.!?:]{{0,120}}?\b(?:nicht|keine?[nrms]?)\b(?! nur)[^.!?:]{{0,80}}?\b{_GERMAN_SERVE}\b",
    r"(?:ich bin|bin ich) (?:\w+ )?nicht (?:in der lage|befugt|berechtigt|dazu)",
    r"ich (?:muss|möchte) (?:[\w-]+ ){0,3}(?:ablehnen|verweigern)",
)

_FRENCH_OPENINGS = (
    r"(?:je suis (?:\w+ )?)?désolée?",
    r"(?:malheureusement|hélas|mais|cependant|bonjour|non|toutefois)(?=[ ,.!])",
    r"je (?:regrette|m'excuse)",
    r"(?:excusez-moi|pardon|toutes mes excuses)",
    r"je comprends[^.!?]{0,120}?,(?= mais| cependant)",
    r"en tant qu[^,.]{0,80}?(?=,)",
)
_FRENCH_DECLINING = (
    r"je ne (?:peux|pourrai|saurais|vais|suis) (?:\w+ )?(?:pas |malheureusement )?(?:\w+ment )?"
    r"(?:en mesure|autorisée?|capable|vous|t'|te |d'|y |l'|répondre|fournir|aider|accéder|créer|"
    r"écrire|donner|rédiger|traiter|satisfaire|partager|générer|participer|expliquer)",
    r"il m'est (?:\w+ )?impossible d[e']",
    r"je (?:dois|préfère) (?:\w+ )?(?:refuser|décliner)",
    r"je refuse de",
)

_SPANISH_OPENINGS = (
    r"lo (?:siento|lamento)(?: mucho)?",
    r"(?:perdón|disculpa|disculpe|desafortunadamente|lamentablemente|pero|sin embargo|hola)"
    r"(?=[ ,.!])",
    r"como (?:\w+ ){0,3}(?:modelo|ia|inteligencia|asistente)[^,.]{0,80}?(?=,)",
    r"entiendo[^.!?]{0,120}?,(?= pero)",
)
_SPANISH_DECLINING = (
    r"no (?:puedo|podré|podría|me es posible|me está permitido|estoy autorizad[oa]|"
    r"estoy en condiciones) (?:(?:\w+ )?(?:ayudar|proporcionar|responder|generar|crear|escribir|"
    r"ofrecer|dar|asistir|brindar|compartir|participar|facilitar|explicar)\w*|cumplir|acceder|"
    r"hacer eso|(?:a|para|de) \w+ar)\b",
    r"(?:debo|tengo que|prefiero) (?:\w+ )?(?:rechazar|declinar|negarme)",
    r"me niego a",
)

# By language: what may stand before, and what declines.
PHRASES = {
    "en": (_ENGLISH_OPENINGS, _ENGLISH_DECLINING),
    "de": (_GERMAN_OPENINGS, _GERMAN_DECLINING),
    "fr": (_FRENCH_OPENINGS, _FRENCH_DECLINING),
    "es": (_SPANISH_OPENINGS, _SPANISH_DECLINING),
}
