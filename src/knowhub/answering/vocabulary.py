"""The few English, Spanish and Japanese words that answering has to know by heart."""

from __future__ import annotations


def words(listed: str) -> frozenset[str]:
    """A set from words between white space."""
    return frozenset(listed.split())


def numbered(*groups: str, start: int = 0) -> dict[str, int]:
    """Each word of each group to the group's number: `numbered("zero cero", "one uno")`."""
    return {word: number for number, group in enumerate(groups, start) for word in group.split()}


STOP_WORDS = words(
    """a an the this that these those it its is are was were be been being am do does did done doing have has had having
    will would shall should can could may might must of in on at to for from by per
    with about into over under between after
    before during without within and or nor but if than then so as not no what which who whom whose when where why how
    much many long old often far there here i you he she we they me him her us them my your his our their mine any some
    all each every other another such only own same too very just also again please tell know give find show say let
    get got go take takes mean means need
    want like happen happens happened one ones el la los las un una unos unas lo al del de en con
    por para que qué quien quién quienes cual cuál cuales cuáles cuando cuándo donde dónde como cómo cuanto cuánto
    cuanta cuánta cuantos cuántos cuantas cuántas y o u e es son era fue ser está están hay ha han se su sus mi tu te
    nos le les si sí más muy este esta estos estas ese esa eso esto sobre entre hasta desde sin tiene tengo puedo puede
    debo debe"""
)
"""Words that any question may have, whatever it is about."""

ABBREVIATIONS = words(
    """mr mrs ms dr prof sr sra srta dra st vs nº cf eg ie e.g i.e approx aprox dept rev hon gen p.ej ej ud uds avda
    feb apr aug sep sept oct nov dec núm pág págs"""
)
BEFORE_NUMBERS = words("no nos fig figs eq art vol pp ch sec ext p mar jan jun jul ref")
"""Abbreviations where a number follows, words elsewhere."""

CHANGES = words(
    """from instead now previously formerly raised lowered increased reduced changed changes longer anymore new replaces
    replaced decided decision update updated correction corrected effective starting moves moved postponed desde ahora
    antes sube baja nuevo nueva cambia cambió decidido corrección"""
)
"""Words of a statement that it overrides an earlier one."""
CHANGES_WIDE = ("変わり", "変更", "から", "決ま", "決定", "訂正", "廃止", "今後")
BOUNDS = words(
    """up most maximum max maximal limit limits cap capped least minimum min only within under below over above exceed
    hasta máximo maximo mínimo minimo límite limite tope"""
)

SMALL_NUMBERS = numbered(
    "zero cero",
    "one uno una",
    "two dos",
    "three tres",
    "four cuatro",
    "five cinco",
    "six seis",
    "seven siete",
    "eight ocho",
    "nine nueve",
    "ten diez",
    "eleven once",
    "twelve doce",
)
MONTHS = numbered(
    "january jan enero ene",
    "february feb febrero",
    "march mar marzo",
    "april apr abril abr",
    "may mayo",
    "june jun junio",
    "july jul julio",
    "august aug agosto ago",
    "september sep sept septiembre",
    "october oct octubre",
    "november nov noviembre",
    "december dec diciembre dic",
    start=1,
)
WEEKDAYS = numbered(
    "monday mondays lunes 月曜",
    "tuesday tuesdays martes 火曜",
    "wednesday wednesdays miércoles miercoles 水曜",
    "thursday thursdays jueves 木曜",
    "friday fridays viernes 金曜",
    "saturday saturdays sábado sabado sábados 土曜",
    "sunday sundays domingo domingos 日曜",
)
CURRENCIES = {
    name: code
    for code, names in {
        "eur": "€ eur euro euros ユーロ",
        "usd": "$ us$ usd dollar dollars dólares ドル",
        "gbp": "£ gbp pounds libras",
        "jpy": "¥ ￥ jpy yen yenes 円",
        "chf": "chf",
        "mxn": "mxn pesos",
    }.items()
    for name in names.split()
}
SCALES = {"k": 1e3, "thousand": 1e3, "mil": 1e3, "m": 1e6, "million": 1e6, "millones": 1e6, "万": 1e4, "億": 1e8}
SCALES |= {"hundred": 1e2, "mn": 1e6, "millions": 1e6, "b": 1e9, "bn": 1e9, "billion": 1e9, "billions": 1e9}
SCALES |= {"billiones": 1e12, "trillion": 1e12, "兆": 1e12}
UNITS = {
    name: unit
    for unit, names in {
        "second": "s sec secs segundo segundos 秒",
        "minute": "min mins minuto minutos 分",
        "hour": "h hr hrs hora horas 時間",
        "day": "día días dia dias 日 日間",
        "week": "semana semanas 週間",
        "month": "mes meses か月 ヶ月",
        "year": "año años 年 年間",
        "person": "people persona personas 人 名",
    }.items()
    for name in names.split()
}
WIDE_UNITS = "日間|日|時間|週間|か月|ヶ月|年間|年|人|名|分|秒|個|件|回|台|歳"
UNIT_QUALIFIERS = words("working business calendar full paid consecutive whole extra more additional metric")
NOT_UNITS = words("and or of in on at to for from by per is are was the a an y o de en por para el la")
"""Words after a number that do not say what is counted."""
UNITS_PLAIN = {
    name: unit
    for unit, names in {
        "second": "second seconds",
        "minute": "minute minutes",
        "hour": "hour hours",
        "day": "day days",
        "week": "week weeks",
        "month": "month months 月",
        "year": "year years yr yrs",
        "decade": "decade decades",
        "century": "century centuries",
        "person": "person persons",
        "kg": "kg kilogram kilograms kilos",
        "g": "gram grams",
        "km": "km kilometer kilometers kilometre kilometres",
        "m": "meter meters metre metres",
        "cm": "cm centimeter centimeters",
        "mile": "mi mile miles",
        "foot": "ft foot feet",
        "inch": "inch inches",
        "byte": "byte bytes",
        "kb": "kb kib",
        "mb": "mb mib",
        "gb": "gb gib",
        "tb": "tb tib",
        "celsius": "°c",
        "fahrenheit": "°f",
    }.items()
    for name in names.split()
}
"""Units besides `UNITS`, which people write out."""
TENS = SMALL_NUMBERS | {
    word: number
    for words_, number in (
        ("thirteen trece", 13),
        ("fourteen catorce", 14),
        ("fifteen quince", 15),
        ("sixteen dieciséis", 16),
        ("seventeen diecisiete", 17),
        ("eighteen dieciocho", 18),
        ("nineteen diecinueve", 19),
        ("twenty veinte", 20),
        ("thirty treinta", 30),
        ("forty cuarenta", 40),
        ("fifty cincuenta", 50),
        ("sixty sesenta", 60),
        ("seventy setenta", 70),
        ("eighty ochenta", 80),
        ("ninety noventa", 90),
        ("dozen docena", 12),
    )
    for word in words_.split()
}
"""Words for whole numbers."""
ORDINALS = numbered(
    "third tercero tercera", "fourth cuarto", "fifth quinto", "sixth sexto", "seventh séptimo", start=3
) | numbered("eighth octavo", "ninth noveno", "tenth décimo", "eleventh", "twelfth", start=8)
"""`first` and `second` mean too much else."""
DENIALS = words(
    """not never cannot neither nor nobody nothing none without unable impossible nunca ningún ninguna ninguno nadie
    sin"""
) | {"no longer", "no", "ya no"}
"""Words that deny what stands beside them, and are about nothing themselves."""
SOFT_DENIALS = words(
    """forbidden forbid forbids prohibited prohibit prohibits disallowed disallow prevent prevents prevented lack lacks
    lacked lacking absent refuse refuses refused fail fails failed prohibido prohibida hardly rarely seldom excluded
    excludes except excluding unlikely unclear unknown illegal avoid avoids only different stop stops"""
) | {"rather than", "instead of", "far from"}
"""Words that deny by what they mean: a source may say with them what a sentence says with `not`."""
GLUE = words(
    """additionally also however therefore thus hence moreover furthermore finally overall firstly secondly lastly
    similarly specifically generally typically usually often sometimes essentially basically indeed instead meanwhile
    nevertheless nonetheless otherwise various several including include includes included etc eg ie example examples
    instance important note worth noting noted mentioned according provided documents document passage passages source
    sources context information additional different certain particular make makes made making way ways thing things
    like based due related etc well known using used use uses help helps could would might may etc following follows
    summary conclusion regarding respectively whether even still yet
    way ways lot many few much rather quite really actually simply order case cases fact addition result results
    además también sin embargo tanto así ejemplo"""
)
"""Words that join what is said and say nothing themselves."""
INITIAL = GLUE | words(
    """i the a an it he she they we you this that these those there in on at for from with by as if when while
    although though because since after before during until once both each every all some most many several few
    other another one two three first second third yes no not here what which who where why how its their his her our
    your my to of and or but so such under over between among through without within despite unlike like given
    be keep make take note remember consider try"""
)
"""Words whose capital at a sentence's beginning is only grammar."""

SMALL_TALK = words(
    """hi hello hey hiya bye goodbye ok okay thanks thank thx ty cheers omg wow lol great cool nice fine good perfect
    awesome sure yes yeah yep nope sorry welcome right see ya later help understood morning afternoon evening hola
    gracias adiós adios vale buenos buenas días tardes noches perdón perdona ayuda claro genial ayudarme puedes
    こんにちは ありがとう ありがとうございます ありがとうございました さようなら おはよう おはようございます
    すみません はい いいえ 了解 了解です"""
)
"""Words of greetings, thanks and good-byes, which ask for nothing."""
