"""Words that say nothing of what a text is about, without accents, lower case.

English ones include what an apostrophe leaves (`don't` ▸ don, t). Spanish ones leave out those that mean something in
English (once, ten, van, son, sin).
"""

_ENGLISH = """
a about above after again against all also am an and any are aren as at be because been before being below
between both but by can cannot could couldn d did didn do does doesn doing don down during each few for from
further had hadn has hasn have haven having he her here hers herself him himself his how i if in into is isn
it its itself just ll m me more most my myself no nor not now of off on once only or other our ours ourselves
out over own re s same she should shouldn so some such t than that the their theirs them themselves then there
these they this those through to too under until up ve very was wasn we were weren what when where which while
who whom why will with won would wouldn you your yours yourself yourselves
"""
_SPANISH = """
al algo algunas algunos ante antes aquel aquella como con contra cual cuales cuando cuanto de del desde donde
durante e el ella ellas ellos en entre era eran es esa esas ese eso esos esta estaba estan estar estas este
esto estos fue fueron ha habia han hasta hay la las le les lo los mas mi mis mucho muchos muy nada ni nos
nosotros nuestra nuestro o os otra otras otro otros para pero poco por porque pues que quien quienes se sea
ser si sido sobre su sus tambien te tiene tienen toda todas todo todos tu tus un una unas uno unos usted
ustedes y ya yo
"""
_BOTH = "a has he me no"

ENGLISH = frozenset(_ENGLISH.split())
SPANISH = frozenset(_SPANISH.split())
STOPPED = ENGLISH | SPANISH
ONLY_ENGLISH = ENGLISH - SPANISH - frozenset(_BOTH.split())
