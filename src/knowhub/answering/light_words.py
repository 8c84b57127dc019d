"""Words of talk that name no topic, lower case: what a question says besides what it is about."""

from __future__ import annotations

_CHAT = """
able explain fill good information know kind like mean meant ok okay oh please question really said say saying speak
speaking still sure talk talking tell thank thanks thing things think want way
"""
_LIGHT = """
advantage advantages amount amounts answer answers another anyone anything ask asked asking back bad become becomes
begin believe benefit benefits best better big biggest bit call called case cases cause caused causes clarify come
comes coming common consider considered considering correct course day days describe detail details difference
differences different difficult disadvantage disadvantages discuss easier easy effect effects end ends enough
everyone everything evidence example examples experience fact factor factors few find first free general gets getting
go goes going got great greatest hard harder help helped helps high highest idea impact impacts important interesting
issue issues keep keeps kept key kinds known large largest last least less little long longer look looks lot lots low
lowest made main major make makes making maximum meaning mention mentioned minimum minor name named need needed needs
new next number numbers old option options part parts pay people person place point points popular possible problem
problems put puts real reason reasons require required requirement requirements requires right rule rules second see
seen short side similar small smallest someone something sort specific start started starting starts term terms
thought time times told true type types understand use used uses using usually well work worked working works worse
worst worth wow wrong year years yes
"""

CHAT = frozenset(_CHAT.split())
"""Never what a conversation is about."""
LIGHT = CHAT | frozenset(_LIGHT.split())
"""Not enough to be searched for alone: `what is the biggest risk` has one word that says something."""
