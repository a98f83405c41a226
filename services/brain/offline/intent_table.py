"""The table of intents: what a guest may want. `intents` explains how a pattern is written."""

from __future__ import annotations

from services.brain.offline.intents import Intent, Rank


def _about(topic: str, *patterns: str) -> Intent:
    return Intent(f"about-{topic}", patterns, topic=topic)


_WISH = "-can|could|may|would|possible|want|like|what|when|where|how"
"""A question or a wish is no note."""

INTENTS: tuple[Intent, ...] = (
    Intent(
        "late-checkout",
        (
            "late|later|longer|delay|delayed|extend|extended|postpone checkout|leave|leaving|departure",
            "keep|stay|hold|extend room longer|later|until|till|past|extra|afternoon",
            "have room longer|later|until|till|past -have_to",
            "stay|sleep|leave later|longer",
            "sleep in|late",
            "checkout|leave|stay|room|vacate @time",
            "checkout|leave|stay|room|vacate @hours",
            "checkout|leave|vacate after|afternoon|lunch -bag|bags|luggage|suitcase|suitcases",
        ),
        Rank.REQUEST,
    ),
    Intent(
        "availability",
        (
            "room|rooms|suite|suites|anything|space|vacancy|vacancies|availability available|free|left|vacant|open",
            "availability|vacancy|vacancies",
            "book|reserve|need|want|get|have|got room|rooms|suite|space @date|@nights",
            "book|reserve another|second|extra|new|a room|suite",
            "stay|extend|add another|more|extra|additional|one night|nights|day",
            "price|cost|rate|rates|much room|rooms|suite|night @date|@nights|night",
            "come|back|return|stay @nights",
        ),
        Rank.REQUEST,
    ),
    Intent(
        "my-reservation",
        (
            "my|our|the reservation|booking",
            "find|look|check|see|confirm|have reservation|booking",
            "what_room|which_room am|are|is",
            "room_number",
            "when|how_long do|am|does|is|are i|we|my|our leave|leaving|depart|staying|stay|departure -have_to|must",
            "when my|our checkout|departure|stay",
            "@code",
            "name|under reservation|booking|code",
        ),
        Rank.REQUEST,
    ),
    Intent(
        "recall",
        (
            "did|have you get|got|receive|received|see|seen|read text|message|texts|messages|note|sms",
            "what|which did|have|was|were i|my|we text|texted|write|wrote|message|messaged|send|sent|type|typed|sms",
            "what|whats|read|repeat my|last text|message|sms|note say|said|back|me|was|again",
            "what did|have i|we tell|told|say|said|mention|mentioned you|earlier|before|about",
            "remember|recall what|my|message|text|told|said|wrote",
            "get|got|see|read my text|message|sms",
        ),
        Rank.REQUEST,
    ),
    Intent(
        "note",
        (
            "my|our !taxi|cab|flight|plane|train|bus|ferry|boat|meeting|wedding|conference|appointment "
            f"is|comes|leaves|arrives|goes|at|tomorrow|takes|starts {_WISH}",
            "i|im|were|we|am|wife|husband|son|daughter|friend|partner|she|he "
            f"!allerg*|vegetarian|vegan|celiac|coeliac|diabetic|pregnant|intolerant|wheelchair {_WISH}",
            f"my|our|its|is !anniversary|birthday|honeymoon {_WISH}",
            f"ill|i_will|we_will|well|running be|arrive|back|late late|delayed|soon|back {_WISH}",
            f"please_note|keep_in_mind|by_the_way|just_so|for_your_information my|our|i|we|im|were|you {_WISH}",
            f"i|we|my dont|cant|not !eat|drink {_WISH}",
        ),
        Rank.REQUEST,
    ),
    Intent(
        "transfer",
        (
            "!put through me|us|call",
            "connect|transfer me|us "
            "!frontdesk|reception|receptionist|someone|somebody|person|human|manager|staff|colleague|desk|restaurant|bar|spa",
            "transfer|forward|pass my|the|this !call",
            "!connect me|us with|to -wifi|internet|network|airport",
        ),
        Rank.REQUEST,
    ),
    Intent(
        "repeat",
        (
            "repeat that|it|please|again|last|sorry|you|answer",
            "say|tell that|it again|more|once",
            "what_did_you|what_did_u say|just",
            "pardon|huh",
            "come_again",
            "didnt|couldnt|cant|not catch|hear|understand|get that|you|it",
            "go_on|carry_on|continue|keep_talking",
            "once_more|one_more_time",
        ),
    ),
    Intent(
        "service",
        (
            "can|could|need|bring|get|more|extra|another|have|some "
            "!towel|towels|pillow|pillows|blanket|blankets|soap|shampoo|toilet|iron|hairdryer|cot|crib",
            "clean|cleaned|tidy|make|housekeeping room|up|please|housekeeping -dress|shirt|clothes",
            "!broken|leak|leaking|noisy|noise|dirty|smell|smells|blocked",
            "doesnt|isnt|not|wont !work|working|turn",
            "!wake_up|wakeup|alarm",
        ),
    ),
    _about("breakfast", "!breakfast", "morning eat|food|buffet|meal|serve", "!buffet"),
    _about("wifi", "!wifi", "!internet", "network password|name|code", "!password", "get|go|connect !online"),
    _about("pool", "!pool", "!swim|swimming", "swim|swimming|dip have|take|place|somewhere"),
    _about("spa", "!spa", "!sauna", "!massage", "!steam", "!wellness", "!treatment|treatments"),
    _about(
        "parking",
        "!park|parking|parked",
        "!garage",
        "car !leave|put|park|keep|where|coming",
        "!charge|charger|charging car|electric|ev|tesla",
    ),
    _about(
        "checkout",
        "!checkout",
        "when|what|whats|latest|until !leave|vacate|out_of room|rooms|by",
        "have_to|must|need_to !leave|vacate|checkout",
        "out_of|out have_to|must|need_to room|when|until",
    ),
    _about(
        "checkin",
        "!checkin",
        "!earliest|get_into|move_into|access|enter room|rooms|in",
        "when|what|earliest !get|enter|access|move room|rooms in|into",
        "!arrive early|earlier",
    ),
    _about(
        "restaurant",
        "!restaurant",
        "!dinner|supper|lunch",
        "eat|dine tonight|evening|here|somewhere|where",
        "!menu|dining",
        "reserve|book|get !table",
        "!hungry",
    ),
    _about("bar", "!bar", "!drink|cocktail|cocktails|beer|wine|nightcap"),
    _about("gym", "!gym", "!fitness", "!workout", "!exercise|treadmill|weights"),
    _about(
        "pets",
        "!pet|pets allow*|policy|bring|with|charge|cost",
        "!pet|pets",
        "!dog|dogs|puppy|cat|cats stay|may|take|bring|allow*|welcome|cost|with",
        "!dog|dogs|puppy|cat|cats",
        "!animal|animals",
    ),
    _about(
        "luggage",
        "!luggage|bag|bags|suitcase|suitcases|baggage",
        "!luggage|bag|bags|suitcase|suitcases|baggage leave|store|keep|put|after|drop",
    ),
    _about("airport", "!airport", "!airport taxi|bus|cab|far|shuttle|transfer|get"),
    _about("taxi", "!taxi|cab|uber", "!ride|lift to|station|town"),
    _about(
        "laundry",
        "!laundry",
        "wash|washed|clean|cleaned|cleaning|dry !clothes|shirt|shirts|dress|suit",
        "!ironed|pressed",
    ),
    _about(
        "roomservice",
        "!roomservice",
        "!food|breakfast|dinner|eat|meal|order|drinks room|up|upstairs|bed to|in|my|bring|order",
    ),
    _about("smoking", "!smoke|smoking|smoker|cigarette|cigarettes"),
    _about(
        "address",
        "!address",
        "where_is|where_exactly|where_are hotel|you|located",
        "where !located",
        "!location|directions",
        "how !get|find there|you|hotel",
    ),
    _about(
        "frontdesk",
        "!frontdesk|reception|receptionist",
        "speak|talk|connect|transfer|call !human|person|someone|somebody|staff|manager|people|real",
        "!human|manager|operator|agent",
        "real !person",
    ),
    _about(
        "facilities",
        "!facilit*|amenit*",
        "!tour",
        "show|take !around|through",
        "tell|know|more|describe|hear !hotel|house|place",
        "what hotel|house|here|place !offer|offers|got|has",
        "what|anything|something there do|see|fun !here",
        "what can|could !do|enjoy|use here|hotel|house",
    ),
    Intent(
        "greeting",
        (
            "hello|hi|hey|hallo|greetings|howdy",
            "good morning|evening|afternoon|day",
            "anyone|anybody|somebody there|here",
            "how_are_you",
        ),
        Rank.COURTESY,
    ),
    Intent(
        "thanks",
        (
            "thanks|thank|cheers|grateful|appreciate*",
            "very|most kind|helpful",
            "great|perfect|wonderful|lovely|brilliant|excellent|good help|job|thanks",
        ),
        Rank.COURTESY,
    ),
    Intent(
        "goodbye",
        (
            "!bye|goodbye|farewell",
            "good_night",
            "have nice|good !day|evening|one",
            "thats|that_is !all|everything",
            "thats_it",
            "!hang_up|hanging_up",
            "end|finish !call -taxi",
        ),
        Rank.COURTESY,
    ),
    Intent(
        "hold",
        (
            "!hold_on|hang_on|hold_the_line",
            "!one_moment|one_second|one_sec|one_minute",
            "just|wait|give|need|take moment|second|sec|minute|minutes",
            "wait|hold -how|long|for",
            "be !quiet",
            "!pause",
        ),
        Rank.COURTESY,
    ),
    Intent(
        "back",
        (
            "im|i_am|were|we_are !back",
            "!resume",
            "here again -what|when|how",
            "again|now you can|may talk|speak|listen|answer",
        ),
        Rank.COURTESY,
    ),
)
