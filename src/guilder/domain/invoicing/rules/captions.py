"""What lines are called that are neither a plan, a charge nor a product, and why notes that nobody wrote were made.

It is said in the language of the document, and stays as it was said: the words are sealed with the rest. Japanese is not
here: a machine without its letters prints the document in English, and could not print them.
"""

from guilder.domain.invoicing.model import Caption, Phrase
from guilder.domain.invoicing.rules.wording import primary_language

FALLBACK = "en"

# One phrase a line, in the order of `Phrase`.
_LINES = {
    "en": (
        "Unused time on {name}|Remaining time on {name}|Late use: {name}|Corrected use: {name}|"
        "Less use than billed: {name}|Minimum commitment for {name}|{name}, paid for by prepaid credits|Prepaid credits|"
        "Unused time whose money was on its way back, or with a bank, when it ended|"
        "Paid after it could take effect|Not paid before it could take effect"
    ),
    "de": (
        "Nicht genutzte Zeit: {name}|Restliche Zeit: {name}|Nachgemeldete Nutzung: {name}|Berichtigte Nutzung: {name}|"
        "Weniger Nutzung als berechnet: {name}|Mindestumsatz: {name}|{name}, aus Guthaben bezahlt|Guthaben|"
        "Nicht genutzte Zeit, deren Betrag am Ende noch auf dem Rückweg oder bei einer Bank war|"
        "Bezahlt, als es nicht mehr wirksam werden konnte|Nicht bezahlt, bevor es wirksam werden konnte"
    ),
    "fr": (
        "Temps non utilisé : {name}|Temps restant : {name}|Consommation déclarée tardivement : {name}|"
        "Consommation corrigée : {name}|Consommation inférieure à celle facturée : {name}|Engagement minimum : {name}|"
        "{name}, payé par crédits prépayés|Crédits prépayés|"
        "Temps non utilisé dont le montant était en cours de remboursement ou retenu par une banque à son terme|"
        "Payé trop tard pour prendre effet|Non payé à temps pour prendre effet"
    ),
    "es": (
        "Tiempo no utilizado: {name}|Tiempo restante: {name}|Consumo notificado con retraso: {name}|"
        "Consumo corregido: {name}|Consumo inferior al facturado: {name}|Compromiso mínimo: {name}|"
        "{name}, pagado con créditos de prepago|Créditos de prepago|"
        "Tiempo no utilizado cuyo importe se estaba devolviendo o retenía un banco cuando terminó|"
        "Pagado cuando ya no podía surtir efecto|No pagado antes de que pudiera surtir efecto"
    ),
    "it": (
        "Tempo non utilizzato: {name}|Tempo rimanente: {name}|Consumo comunicato in ritardo: {name}|"
        "Consumo corretto: {name}|Consumo inferiore a quello fatturato: {name}|Impegno minimo: {name}|"
        "{name}, pagato con credito prepagato|Credito prepagato|"
        "Tempo non utilizzato il cui importo era in corso di rimborso o presso una banca alla sua fine|"
        "Pagato quando non poteva più avere effetto|Non pagato prima che potesse avere effetto"
    ),
    "nl": (
        "Ongebruikte tijd: {name}|Resterende tijd: {name}|Later gemeld gebruik: {name}|Gecorrigeerd gebruik: {name}|"
        "Minder gebruik dan gefactureerd: {name}|Minimumafname: {name}|{name}, betaald uit prepaidtegoed|Prepaidtegoed|"
        "Ongebruikte tijd waarvan het bedrag bij het einde nog werd terugbetaald of bij een bank lag|"
        "Betaald toen het niet meer kon ingaan|Niet betaald voordat het kon ingaan"
    ),
    "pt": (
        "Tempo não utilizado: {name}|Tempo restante: {name}|Consumo comunicado com atraso: {name}|"
        "Consumo corrigido: {name}|Consumo inferior ao faturado: {name}|Compromisso mínimo: {name}|"
        "{name}, pago com créditos pré-pagos|Créditos pré-pagos|"
        "Tempo não utilizado cujo valor estava a ser devolvido ou retido por um banco quando terminou|"
        "Pago quando já não podia produzir efeito|Não pago antes de poder produzir efeito"
    ),
    "pl": (
        "Niewykorzystany czas: {name}|Pozostały czas: {name}|Zużycie zgłoszone później: {name}|"
        "Skorygowane zużycie: {name}|Zużycie mniejsze niż zafakturowane: {name}|Minimalne zobowiązanie: {name}|"
        "{name}, opłacone ze środków przedpłaconych|Środki przedpłacone|"
        "Niewykorzystany czas, za który kwota była w chwili zakończenia zwracana lub wstrzymana przez bank|"
        "Opłacone, gdy nie mogło już zacząć obowiązywać|Nieopłacone, zanim mogło zacząć obowiązywać"
    ),
    "ru": (
        "Неиспользованное время: {name}|Оставшееся время: {name}|Использование, сообщённое позже: {name}|"
        "Исправленное использование: {name}|Использовано меньше, чем выставлено: {name}|Минимальное обязательство: {name}|"
        "{name}, оплачено из предоплаченных средств|Предоплаченные средства|"
        "Неиспользованное время, деньги за которое при его окончании возвращались или находились у банка|"
        "Оплачено, когда уже не могло вступить в силу|Не оплачено до того, как могло вступить в силу"
    ),
}
CAPTIONS = {language: dict(zip(Phrase, line.split("|"), strict=True)) for language, line in _LINES.items()}


def written(caption: str | Caption, language: str) -> str:
    """Write out what a line is called: words that somebody chose as they are, our own in the language of a tag like `de-AT`."""
    if isinstance(caption, str):
        return caption
    said = CAPTIONS.get(primary_language(language), CAPTIONS[FALLBACK])[caption.phrase]
    # Not by `format`: a name may hold braces of its own.
    return said.replace("{name}", written(caption.name, language))
